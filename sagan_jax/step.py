"""One training step: (state, data) to (state, metrics), compiled as a whole.

Sampling, augmentation, both players, their optimisers and the moving average are inside;
the host only dispatches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from sagan_jax import augment, distributed, layers, losses, schedule
from sagan_jax.config import Config
from sagan_jax.data import Identity, normalise
from sagan_jax.discriminator import Discriminator
from sagan_jax.generator import Generator
from sagan_jax.pull_push import erode, extrapolate
from sagan_jax.state import (
    Params,
    TrainState,
    discriminator_optimiser,
    generator_optimiser,
)

# Of the side of the crop: so far into the face its mask may take hair or background for face.
_EDGE = 0.016

Metrics = dict[str, jax.Array]
Data = tuple[Identity, Identity]


def make_step(
    config: Config, mesh: Mesh
) -> Callable[[TrainState, Data], tuple[TrainState, Metrics]]:
    """Compiles the step for one configuration and one set of devices.

    The state is donated: use only what the step returns. State and data are replicated,
    the batch is shared out over the mesh, and XLA adds the one sum of the gradients.
    """

    def step(state: TrainState, data: Data) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.key(config.seed), state.step)
        batch = _draw(key, data, config)
        batch = jax.lax.with_sharding_constraint(batch, distributed.split_batch(mesh))
        return _update(state, batch, config)

    everywhere = distributed.replicated(mesh)
    return jax.jit(step, donate_argnums=0, out_shardings=(everywhere, everywhere))


def _draw(key: jax.Array, data: Data, config: Config) -> augment.Augmented:
    """A batch of both identities, augmented; every leaf `[2, N, R, R, C]`.

    The input is normalised by the colours of its own person.
    """
    parts = [_draw_one(jax.random.fold_in(key, i), one, config) for i, one in enumerate(data)]
    return jax.tree.map(lambda a, b: jnp.stack([a, b]), *parts)


def _draw_one(key: jax.Array, data: Identity, config: Config) -> augment.Augmented:
    key_sample, key_augment, key_colour = jax.random.split(key, 3)
    chosen = jax.random.randint(key_sample, (config.batch,), 0, data.images.shape[0])
    images = data.images[chosen].astype(jnp.float32) / 255
    masks = data.masks[chosen].astype(jnp.float32) / 255
    batch = augment.augment(key_augment, images, masks, config.augment)
    seen = normalise(batch.input, data.mean, data.std)
    return batch._replace(
        input=augment.colour_jitter(key_colour, seen, config.augment.colour),
        target=extrapolate(batch.target, _surely_face(batch.masks[..., :1])),
    )


def _surely_face(mask: jax.Array) -> jax.Array:
    """1 well within the face; 0 from its edge on, whose pixels are half something else."""
    return jnp.clip(2 * erode(mask, round(_EDGE * mask.shape[-2])) - 1, 0.0, 1.0)


def _update(
    state: TrainState, batch: augment.Augmented, config: Config
) -> tuple[TrainState, Metrics]:
    """Both players from one forward pass of the generator."""
    seen = state.images_seen(config)
    rate = schedule.learning_rate_factor(seen, config.optimiser, config.images)
    critics, vectors = _normalised_critics(state.discriminator, state.power_vectors)

    outputs, generator_vjp = jax.vjp(
        lambda params: Generator(config.model).apply({"params": params}, batch.input),
        state.generator,
    )
    weight = schedule.adversarial_weight(seen, config)
    (_, metrics), output_gradient = jax.value_and_grad(_generator_loss, has_aux=True)(
        outputs, batch, critics, weight, config
    )
    (generator_gradient,) = generator_vjp(output_gradient)
    fake = jax.lax.stop_gradient(_composite(outputs.rgb, batch))
    (critic_loss, scores), critic_gradient = jax.value_and_grad(_critic_loss, has_aux=True)(
        state.discriminator, state.power_vectors, fake, batch, config
    )

    generator, generator_moments = _descend(
        generator_optimiser(config),
        generator_gradient,
        state.generator_moments,
        state.generator,
        rate * config.optimiser.generator_rate,
    )
    discriminator, discriminator_moments = _descend(
        discriminator_optimiser(config),
        critic_gradient,
        state.discriminator_moments,
        state.discriminator,
        rate * config.optimiser.discriminator_rate,
    )
    decay = schedule.ema_decay(seen, config.optimiser, 2 * config.batch)
    metrics |= scores | {
        "critic": critic_loss,
        "gradient_norm": optax.tree.norm(generator_gradient),
        "critic_gradient_norm": optax.tree.norm(critic_gradient),
        "rate": rate * config.optimiser.generator_rate,
    }
    return TrainState(
        step=state.step + 1,
        generator=generator,
        ema=optax.incremental_update(generator, state.ema, 1 - decay),
        generator_moments=generator_moments,
        discriminator=discriminator,
        discriminator_moments=discriminator_moments,
        power_vectors=vectors,
    ), metrics


def _descend(
    optimiser: optax.GradientTransformation,
    gradient: Params,
    moments: optax.OptState,
    params: Params,
    rate: jax.Array,
) -> tuple[Params, optax.OptState]:
    # Optax raises Python floats to integer counts, which strict promotion forbids.
    with jax.numpy_dtype_promotion("standard"):
        updates, moments = optimiser.update(gradient, moments, params)
    return jax.tree.map(lambda p, u: p - rate * u, params, updates), moments


def _normalised_critics(discriminator: Any, vectors: Any) -> tuple[Any, Any]:
    """Both critics with unit spectral norm, and the vectors after one power iteration."""
    pairs = [
        layers.spectral_normalise_tree(params, u)
        for params, u in zip(discriminator, vectors, strict=True)
    ]
    return tuple(p for p, _ in pairs), tuple(u for _, u in pairs)


def _composite(rgb: jax.Array, batch: augment.Augmented) -> jax.Array:
    """The generated face in the real surroundings: what the critics judge, `[2, N, R, R, 3]`."""
    face = batch.masks[..., :1]
    return face * rgb + (1 - face) * batch.target


def _score(critic: Params, images: jax.Array, condition: jax.Array, config: Config) -> jax.Array:
    return Discriminator(config.model).apply({"params": critic}, images, condition)


def _generator_loss(
    outputs: Any,
    batch: augment.Augmented,
    critics: Any,
    adversarial_weight: jax.Array,
    config: Config,
) -> tuple[jax.Array, Metrics]:
    weights = config.loss
    fake = _composite(outputs.rgb, batch)
    scores = [_score(critics[i], fake[i], batch.input[i], config) for i in (0, 1)]
    terms = {
        "reconstruction": losses.reconstruction(
            outputs.rgb,
            batch.target,
            batch.masks,
            background_weight=weights.background_weight,
            eyes_weight=weights.eyes_weight,
            mouth_weight=weights.mouth_weight,
        ),
        "structure": losses.structure(outputs.rgb, batch.target),
        "mask": losses.mask_cross_entropy(outputs.mask_logits, batch.masks[..., :1]),
        "mask_smoothness": losses.total_variation(outputs.mask),
        "adversarial": losses.hinge_generator(jnp.stack(scores)),
    }
    scale: dict[str, jax.Array | float] = {
        "reconstruction": weights.reconstruction,
        "structure": weights.structure,
        "mask": weights.mask,
        "mask_smoothness": weights.mask_smoothness,
        "adversarial": adversarial_weight,
    }
    total = jnp.stack([scale[name] * term for name, term in terms.items()]).sum()
    return total, terms | {"generator": total}


def _critic_loss(
    discriminator: Any, vectors: Any, fake: jax.Array, batch: augment.Augmented, config: Config
) -> tuple[jax.Array, Metrics]:
    critics, _ = _normalised_critics(discriminator, vectors)
    real_scores, fake_scores = [], []
    for i in (0, 1):
        both = jnp.concatenate([batch.target[i], fake[i]])
        condition = jnp.concatenate([batch.input[i], batch.input[i]])
        scores = _score(critics[i], both, condition, config)
        real_scores.append(scores[: fake.shape[1]])
        fake_scores.append(scores[fake.shape[1] :])
    real, false = jnp.stack(real_scores), jnp.stack(fake_scores)
    loss = losses.hinge_discriminator(real, false)
    return loss, {"critic_real": real.mean(), "critic_fake": false.mean()}
