"""Losses of generator and discriminators: terms of `losses`, weighted by `LossConfig`."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sagan_jax.configs import schedule
from sagan_jax.configs.config import Config, LossConfig
from sagan_jax.data.augment import Augmented
from sagan_jax.data.diff_augment import diff_augment
from sagan_jax.data.identity_crops import IdentityCrops
from sagan_jax.inputs.generator_input import make_input
from sagan_jax.losses import adversarial, perceptual, pixelwise, ssim
from sagan_jax.networks import precision, resampling, spectral_norm
from sagan_jax.networks.discriminator import make_discriminator
from sagan_jax.networks.generator import DecoderOutput, Generator
from sagan_jax.networks.precision import Params

Metrics = dict[str, jax.Array]
Weights = dict[str, jax.Array]

# Weight of the masks beside that of the colours in the cycle, as in faceswap-GAN.
_CYCLED_MASK = 0.1


class Generated(NamedTuple):
    """Output of the generator for a batch; every leaf `[2, N, ...]`, A before B.

    Attributes:
      own: each person by the own decoder.
      code: shared feature maps of each person; None unless a term needs them.
      crossed_code: shared feature maps of each person generated as the other, or None.
      cycled: each person by the own decoder from `crossed_code`, or None.
    """

    own: DecoderOutput
    code: jax.Array | None = None
    crossed_code: jax.Array | None = None
    cycled: DecoderOutput | None = None


def generate(
    params: Params, batch: Augmented, people: tuple[IdentityCrops, IdentityCrops], config: Config
) -> Generated:
    """Runs the generator, and as much of the cycle through the other person as has a weight.

    Args:
      params: parameters of the generator.
      batch: augmented batch, every leaf `[2, N, ...]`.
      people: crops of A and B, for their colours.
      config: config of the run.
    """
    network = functools.partial(precision.apply, Generator(config.model), params, config=config)
    uses_code, uses_cycle = (schedule.in_use(w) for w in (config.loss.latent, config.loss.cycle))
    if not (uses_code or uses_cycle):
        return Generated(network(batch.input))
    code = network(batch.input, method="encode_both")
    own = network(code, method="decode_both")
    # B's crops as A, then A's as B, each read through the colours of the person it now shows.
    crossed = network(code[::-1], method="decode_both")
    # Eyes and mouth are still where the crop has them: their guides go with the crop.
    guides = jnp.concatenate([crossed.mask, batch.guides[::-1, ..., 1:]], -1)
    inputs = [
        make_input(crossed.rgb[i], guides[i], people[i].mean, people[i].std, config.model)
        for i in (0, 1)
    ]
    crossed_code = network(jnp.stack(inputs), method="encode_both")[::-1]
    cycled = network(crossed_code, method="decode_both") if uses_cycle else None
    return Generated(own, code, crossed_code, cycled)


def generator_loss(
    generated: Generated,
    batch: Augmented,
    discriminators: tuple[Params, Params],
    weights: Weights,
    key: jax.Array,
    perceptual_params: Params | None,
    config: Config,
) -> tuple[jax.Array, Metrics]:
    """The generator's loss, and its terms by name.

    Args:
      generated: output of `generate`.
      batch: batch it was generated from.
      discriminators: normalised parameters of both discriminators.
      weights: weights by term, from `schedule.loss_weights`.
      key: random key of the discriminators' augmentation.
      perceptual_params: parameters of `losses.perceptual`; not read without that term.
      config: config of the run.
    """
    out, loss, target = generated.own, config.loss, batch.target
    # Functions, so that a term without a weight is not even traced.
    terms = {
        "reconstruction": lambda: _reconstruction(out, batch, loss),
        "structure": lambda: ssim.two_scale_dssim(out.rgb, target),
        "multiscale_structure": lambda: 1 - ssim.ms_ssim(out.rgb, target),
        "edges": lambda: pixelwise.edge_difference(out.rgb, target),
        "eyes": lambda: pixelwise.region_difference(out.rgb, target, batch.masks[..., 1:2]),
        "mouth": lambda: pixelwise.region_difference(out.rgb, target, batch.masks[..., 3:4]),
        "perceptual": lambda: perceptual.distance(
            perceptual_params or {}, _merged(out.rgb), _merged(target), config.model.columns
        ),
        "mask": lambda: pixelwise.mask_cross_entropy(out.mask_logits, batch.masks[..., :1]),
        "mask_smoothness": lambda: pixelwise.total_variation(out.mask),
        "mask_area": lambda: out.mask.mean(),
        "mask_hinge": lambda: pixelwise.mask_hinge(out.mask, weights["mask_margin"]),
        "adversarial": lambda: _adversarial(out, batch, discriminators, key, config),
        "cycle": lambda: _cycle(generated, batch, loss),
        "latent": lambda: _latent(generated),
    }
    # Terms are logged without their weights, so that runs with other weights compare.
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
    """The discriminators' loss, and their mean scores.

    Args:
      discriminator: parameters of both discriminators, not normalised.
      vectors: singular vectors of their spectral normalisation.
      fake: output of `discriminator_input`, without gradient.
      batch: batch it was generated from.
      weights: weights by term, from `schedule.loss_weights`.
      key: random key.
      config: config of the run.
    """
    discriminators, _ = normalised(discriminator, vectors, config)
    key_augment, key_share = jax.random.split(key)
    # Real and generated images pass through the discriminators together, augmented alike.
    kind = config.loss.discriminator_loss
    if kind == "mixup":
        # One share for the whole batch, as in faceswap-GAN.
        share = jax.random.beta(key_share, 0.2, 0.2)
        mixed = share * _repeated(batch.target, fake.shape[1]) + (1 - share) * fake
        scores = _scores(discriminators, mixed, batch.input, key_augment, config)
        loss = adversarial.mixup_discriminator(scores, share)
        metrics = {"discriminator_on_mixtures": scores.mean()}
    else:
        real, false = _scores_of_both(discriminators, fake, batch, key_augment, config)
        if kind == "relativistic":
            loss = adversarial.relativistic_discriminator(real, false)
        else:
            loss = adversarial.hinge_discriminator(real, false)
        metrics = {"discriminator_real": real.mean(), "discriminator_fake": false.mean()}
    # R1 keeps the discriminators smooth where real images are; it costs a second derivative.
    if schedule.in_use(config.loss.gradient_penalty):
        penalty = _gradient_penalty(discriminators, batch, config)
        loss = loss + weights["gradient_penalty"] * penalty
        metrics["gradient_penalty"] = penalty
    return loss, metrics | {"discriminator": loss}


def discriminator_input(out: DecoderOutput, batch: Augmented, config: Config) -> jax.Array:
    """Generated images as the discriminators get them, `[2, N or 2N, R, R, 3]`.

    Either the generated face in its real surroundings, or the whole output and, before each,
    its composite by the learned mask over the distorted input.
    """
    if config.loss.discriminator_input == "face":
        face = batch.masks[..., :1]
        return face * out.rgb + (1 - face) * batch.target
    composite = out.mask * out.rgb + (1 - out.mask) * batch.input_image
    return _interleaved(composite, out.rgb)


def normalised(
    discriminator: tuple[Params, Params], vectors: tuple[Params, Params], config: Config
) -> tuple[Any, Any]:
    """Both discriminators with unit spectral norm, and the vectors after one power iteration."""
    if not config.model.spectral_norm:
        return discriminator, vectors
    pairs = [
        spectral_norm.spectral_normalise_tree(params, u)
        for params, u in zip(discriminator, vectors, strict=True)
    ]
    return tuple(p for p, _ in pairs), tuple(u for _, u in pairs)


def _reconstruction(out: DecoderOutput, batch: Augmented, loss: LossConfig) -> jax.Array:
    """Distance from the target; smaller outputs are compared with means of the target."""
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
    fake = discriminator_input(out, batch, config)
    kind = config.loss.discriminator_loss
    if kind == "relativistic":
        real, false = _scores_of_both(discriminators, fake, batch, key, config)
        return adversarial.relativistic_generator(real, false)
    scores = _scores(discriminators, fake, batch.input, key, config)
    if kind == "mixup":
        return adversarial.least_squares_generator(scores)
    return adversarial.hinge_generator(scores)


def _cycle(generated: Generated, batch: Augmented, loss: LossConfig) -> jax.Array:
    """Distance of each person, by way of the other, from the target and from the own mask."""
    assert generated.cycled is not None
    masks = jnp.abs(generated.cycled.mask - generated.own.mask).mean()
    return _reconstruction(generated.cycled, batch, loss) + _CYCLED_MASK * masks


def _latent(generated: Generated) -> jax.Array:
    """Squared change of the shared code over its mean square; 0 if a swap keeps it."""
    assert generated.code is not None and generated.crossed_code is not None
    # The gradient only moves the crossed code towards the own one.
    before = jax.lax.stop_gradient(generated.code)
    return jnp.square(generated.crossed_code - before).mean() / (jnp.square(before).mean() + 1e-6)


def _gradient_penalty(discriminators: Any, batch: Augmented, config: Config) -> jax.Array:
    """R1: the mean over both discriminators, on real images that are not augmented."""
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
    """Scores of the real and of the generated images, from one pass and with one augmentation."""
    count = batch.target.shape[1]
    scores = _scores(discriminators, _interleaved(batch.target, fake), batch.input, key, config)
    scores = scores.reshape(2, count, -1, *scores.shape[2:])
    return scores[:, :, :1], scores[:, :, 1:]


def _scores(
    discriminators: Any, images: jax.Array, condition: jax.Array, key: jax.Array, config: Config
) -> jax.Array:
    """Scores of each person's images `[2, M, ...]` by the own discriminator.

    Args:
      discriminators: normalised parameters of both.
      images: `[2, M, R, R, 3]`, M a multiple of the batch.
      condition: `[2, N, R, R, C]`, input of the generator, which the discriminators get, too.
      key: random key of the augmentation.
      config: config of the run.
    """
    network, condition = make_discriminator(config.model), _repeated(condition, images.shape[1])
    scores = []
    for i in (0, 1):
        inputs = (images[i], condition[i])
        if config.loss.discriminator_augmentation:
            inputs = diff_augment(jax.random.fold_in(key, i), *inputs)
        scores.append(precision.apply(network, discriminators[i], *inputs, config=config))
    return jnp.stack(scores)


def _repeated(x: jax.Array, count: int) -> jax.Array:
    """`[2, N, ...]` to `[2, count, ...]`, each image as often as the others."""
    return jnp.repeat(x, count // x.shape[1], axis=1)


def _interleaved(a: jax.Array, b: jax.Array) -> jax.Array:
    """Joins `[2, N, ...]` and `[2, kN, ...]` to `[2, N + kN, ...]`, image by image of the batch.

    So all that belongs to one image of the batch stays on its device.
    """
    count, shape = a.shape[1], a.shape[2:]
    parts = [x.reshape(2, count, -1, *shape) for x in (a, b)]
    return jnp.concatenate(parts, 2).reshape(2, -1, *shape)


def _merged(x: jax.Array) -> jax.Array:
    """Both people in one batch, in an order that keeps each image on its device."""
    return x.swapaxes(0, 1).reshape(-1, *x.shape[2:])
