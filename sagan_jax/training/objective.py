"""What each player minimises: terms of `losses.py`, weighted by `LossConfig`."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sagan_jax.configs import schedule
from sagan_jax.configs.config import Config, LossConfig
from sagan_jax.data.augment import Augmented
from sagan_jax.data.diff_augment import diff_augment
from sagan_jax.data.identity_crops import Identity
from sagan_jax.inputs.generator_input import assemble
from sagan_jax.losses import adversarial, perceptual, pixelwise, ssim
from sagan_jax.networks import precision, resampling, spectral_norm
from sagan_jax.networks.decoder_output import DecoderOutput
from sagan_jax.networks.discriminator import make_discriminator
from sagan_jax.networks.generator import Generator
from sagan_jax.networks.precision import Params

Metrics = dict[str, jax.Array]
Weights = dict[str, jax.Array]

# Of the cycle's colours, as in faceswap-GAN.
_CYCLED_MASK = 0.1


class Generated(NamedTuple):
    """What the generator makes of a batch; every leaf `[2, N, ...]`, A before B.

    Attributes:
      own: each person by the own decoder.
      code: the shared maps, None unless they are needed.
      crossed_code: those of each person drawn as the other.
      cycled: and from these, each person by the own decoder again.
    """

    own: DecoderOutput
    code: jax.Array | None = None
    crossed_code: jax.Array | None = None
    cycled: DecoderOutput | None = None


def generate(
    params: Params, batch: Augmented, people: tuple[Identity, Identity], config: Config
) -> Generated:
    """One pass of the generator, and as much of the way there and back as has a weight."""
    network = functools.partial(precision.apply, Generator(config.model), params, config=config)
    there, back = (schedule.in_use(w) for w in (config.loss.latent, config.loss.cycle))
    if not (there or back):
        return Generated(network(batch.input))
    code = network(batch.input, method="encode_both")
    own = network(code, method="decode_both")
    # B's crops as A, then A's as B, each read through the colours of whom it shows.
    crossed = network(code[::-1], method="decode_both")
    # Its eyes do what those did that it was drawn from.
    guides = jnp.concatenate([crossed.mask, batch.guides[::-1, ..., 1:]], -1)
    shown = jnp.stack([
        assemble(crossed.rgb[i], guides[i], people[i].mean, people[i].std, config.model)
        for i in (0, 1)
    ])  # fmt: skip
    crossed_code = network(shown, method="encode_both")[::-1]
    cycled = network(crossed_code, method="decode_both") if back else None
    return Generated(own, code, crossed_code, cycled)


def generator_loss(
    drawn: Generated,
    batch: Augmented,
    discriminators: tuple[Params, Params],
    weights: Weights,
    key: jax.Array,
    frozen: Params | None,
    config: Config,
) -> tuple[jax.Array, Metrics]:
    """The generator's loss and its terms.

    Args:
      drawn: from `generate`.
      batch: what it was drawn from.
      critics: normalised.
      weights: from `schedule.loss_weights`.
      key: random key, of the critics' augmentation.
      frozen: parameters of `perceptual.py`, if that term has a weight.
      config: of the run.
    """
    out, loss, target = drawn.own, config.loss, batch.target
    terms = {
        "reconstruction": lambda: _reconstruction(out, batch, loss),
        "structure": lambda: ssim.structure(out.rgb, target),
        "multiscale_structure": lambda: 1 - ssim.ms_ssim(out.rgb, target),
        "edges": lambda: pixelwise.edges(out.rgb, target),
        "eyes": lambda: pixelwise.within(out.rgb, target, batch.masks[..., 1:2]),
        "mouth": lambda: pixelwise.within(out.rgb, target, batch.masks[..., 3:4]),
        "perceptual": lambda: perceptual.distance(
            frozen or {}, _merged(out.rgb), _merged(target), config.model.columns
        ),
        "mask": lambda: pixelwise.mask_cross_entropy(out.mask_logits, batch.masks[..., :1]),
        "mask_smoothness": lambda: pixelwise.total_variation(out.mask),
        "mask_area": lambda: out.mask.mean(),
        "mask_hinge": lambda: pixelwise.mask_hinge(out.mask, weights["mask_margin"]),
        "adversarial": lambda: _adversarial(out, batch, discriminators, key, config),
        "cycle": lambda: _cycle(drawn, batch, loss),
        "latent": lambda: _latent(drawn),
    }
    values = {name: term() for name, term in terms.items() if schedule.in_use(getattr(loss, name))}
    total = jnp.stack([weights[name] * value for name, value in values.items()]).sum()
    return total, values | {"generator": total}


def discriminator_loss(
    discriminator: tuple[Params, Params],
    vectors: tuple[Params, Params],
    fake: jax.Array,
    batch: Augmented,
    weights: Weights,
    key: jax.Array,
    config: Config,
) -> tuple[jax.Array, Metrics]:
    """The critics' loss, and what they think.

    Args:
      discriminator: parameters of both.
      vectors: of their spectral normalisation.
      fake: from `judged`, without gradient.
      batch: what it was drawn from.
      weights: from `schedule.loss_weights`.
      key: random key.
      config: of the run.
    """
    discriminators, _ = normalised(discriminator, vectors, config)
    key_augment, key_share = jax.random.split(key)
    count = fake.shape[1]
    if config.loss.critic == "mixup":
        share = jax.random.beta(key_share, 0.2, 0.2)
        mixed = share * _repeated(batch.target, count) + (1 - share) * fake
        scores = _scores(discriminators, mixed, batch.input, key_augment, config)
        loss = adversarial.mixup_discriminator(scores, share)
        metrics = {"critic_on_mixtures": scores.mean()}
    else:
        real, false = _scores_of_both(discriminators, fake, batch, key_augment, config)
        relativistic = config.loss.critic == "relativistic"
        kind = (
            adversarial.relativistic_discriminator
            if relativistic
            else adversarial.hinge_discriminator
        )
        loss = kind(real, false)
        metrics = {"critic_real": real.mean(), "critic_fake": false.mean()}
    if schedule.in_use(config.loss.gradient_penalty):
        penalty = _gradient_penalty(discriminators, batch, config)
        loss = loss + weights["gradient_penalty"] * penalty
        metrics["gradient_penalty"] = penalty
    return loss, metrics | {"critic": loss}


def judged(out: DecoderOutput, batch: Augmented, config: Config) -> jax.Array:
    """What the critics are shown of it, `[2, N or 2N, R, R, 3]`.

    Either the generated face in the real surroundings, or the whole picture and, before each,
    its composite by the learned mask over the distorted input.
    """
    if config.loss.judged == "face":
        face = batch.masks[..., :1]
        return face * out.rgb + (1 - face) * batch.target
    composite = out.mask * out.rgb + (1 - out.mask) * batch.shown
    return _each_beside(composite, out.rgb)


def normalised(
    discriminator: tuple[Params, Params], vectors: tuple[Params, Params], config: Config
) -> tuple[Any, Any]:
    """Both critics with unit spectral norm, and the vectors after one power iteration."""
    if not config.model.spectral_norm:
        return discriminator, vectors
    pairs = [
        spectral_norm.spectral_normalise_tree(params, u)
        for params, u in zip(discriminator, vectors, strict=True)
    ]
    return tuple(p for p, _ in pairs), tuple(u for _, u in pairs)


def _reconstruction(out: DecoderOutput, batch: Augmented, loss: LossConfig) -> jax.Array:
    """Of the picture, and of the smaller ones against the target's means."""
    regions = {
        "background_weight": loss.background_weight,
        "eyes_weight": loss.eyes_weight,
        "mouth_weight": loss.mouth_weight,
    }
    total = pixelwise.reconstruction(out.rgb, batch.target, batch.masks, **regions)
    target, masks = batch.target, batch.masks
    for smaller in reversed(out.smaller):
        target, masks = resampling.halve(target), resampling.halve(masks)
        total = total + pixelwise.reconstruction(smaller, target, masks, **regions)
    return total


def _adversarial(
    out: DecoderOutput, batch: Augmented, discriminators: Any, key: jax.Array, config: Config
) -> jax.Array:
    fake = judged(out, batch, config)
    if config.loss.critic == "relativistic":
        return adversarial.relativistic_generator(
            *_scores_of_both(discriminators, fake, batch, key, config)
        )
    scores = _scores(discriminators, fake, batch.input, key, config)
    mixup = config.loss.critic == "mixup"
    return (
        adversarial.least_squares_generator(scores)
        if mixup
        else adversarial.hinge_generator(scores)
    )


def _cycle(drawn: Generated, batch: Augmented, loss: LossConfig) -> jax.Array:
    """There and back: the own picture again, and the own mask."""
    assert drawn.cycled is not None
    masks = jnp.abs(drawn.cycled.mask - drawn.own.mask).mean()
    return _reconstruction(drawn.cycled, batch, loss) + _CYCLED_MASK * masks


def _latent(drawn: Generated) -> jax.Array:
    """Squared change of the shared code over its mean square; 0 if a swap keeps it."""
    assert drawn.code is not None and drawn.crossed_code is not None
    before = jax.lax.stop_gradient(drawn.code)
    return jnp.square(drawn.crossed_code - before).mean() / (jnp.square(before).mean() + 1e-6)


def _gradient_penalty(discriminators: Any, batch: Augmented, config: Config) -> jax.Array:
    network = make_discriminator(config.model)

    def penalty(i: int) -> jax.Array:
        def score(images: jax.Array) -> jax.Array:
            return precision.apply(
                network, discriminators[i], images, batch.input[i], config=config
            )

        return adversarial.gradient_penalty(score, batch.target[i])

    return (penalty(0) + penalty(1)) / 2


def _scores_of_both(
    discriminators: Any, fake: jax.Array, batch: Augmented, key: jax.Array, config: Config
) -> tuple[jax.Array, jax.Array]:
    """Of the real pictures and of the generated ones, augmented alike."""
    count = batch.target.shape[1]
    scores = _scores(discriminators, _each_beside(batch.target, fake), batch.input, key, config)
    scores = scores.reshape(2, count, -1, *scores.shape[2:])
    return scores[:, :, :1], scores[:, :, 1:]


def _scores(
    discriminators: Any, images: jax.Array, condition: jax.Array, key: jax.Array, config: Config
) -> jax.Array:
    """Each person's critic on its pictures `[2, M, ...]`, M a multiple of the batch."""
    network, condition = make_discriminator(config.model), _repeated(condition, images.shape[1])
    scores = []
    for i in (0, 1):
        seen = (images[i], condition[i])
        if config.loss.critic_augmentation:
            seen = diff_augment(jax.random.fold_in(key, i), *seen)
        scores.append(precision.apply(network, discriminators[i], *seen, config=config))
    return jnp.stack(scores)


def _repeated(x: jax.Array, count: int) -> jax.Array:
    """`[2, N, ...]` to `[2, count, ...]`, each image as often as the others."""
    return jnp.repeat(x, count // x.shape[1], axis=1)


def _each_beside(a: jax.Array, b: jax.Array) -> jax.Array:
    """`[2, N, ...]` and `[2, kN, ...]` to `[2, N + kN, ...]`: what belongs to one image of the
    batch stays together, and so on its device."""
    count, shape = a.shape[1], a.shape[2:]
    parts = (x.reshape(2, count, -1, *shape) for x in (a, b))
    return jnp.concatenate(list(parts), 2).reshape(2, -1, *shape)


def _merged(x: jax.Array) -> jax.Array:
    """Both people in one batch, in an order that keeps each image on its device."""
    return x.swapaxes(0, 1).reshape(-1, *x.shape[2:])
