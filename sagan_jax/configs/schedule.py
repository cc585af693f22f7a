"""Schedules of a run, as traced functions of the images seen, so that nothing recompiles."""

from __future__ import annotations

import typing

import jax
import jax.numpy as jnp
import numpy as np

from sagan_jax.configs.config import LossConfig, OptimiserConfig, Weight, is_table


def ramp(images: jax.Array, start: float, length: float) -> jax.Array:
    """0 until `start`, then linearly to 1 over `length` images; scalar float32."""
    return jnp.clip((images - start) / max(length, 1.0), 0.0, 1.0)


def at(weight: Weight, images: jax.Array) -> jax.Array:
    """Value of a weight after `images` images; scalar float32.

    Two rows of a table at the same number of images are a jump; before the first and after
    the last row the weight is constant.
    """
    if isinstance(weight, tuple):
        knots, values = np.array(weight, np.float32).T
        return jnp.interp(images, knots, values)
    return jnp.float32(weight)


def in_use(weight: Weight) -> bool:
    """Whether a weight is ever anything but 0."""
    return is_table(weight) or weight != 0.0


def loss_weights(config: LossConfig, images: jax.Array) -> dict[str, jax.Array]:
    """Every weight of `LossConfig` after `images` images, scalar float32, by name."""
    names = [name for name, kind in typing.get_type_hints(LossConfig).items() if kind == Weight]
    return {name: at(getattr(config, name), images) for name in names}


def learning_rate_factor(images: jax.Array, config: OptimiserConfig, total: int) -> jax.Array:
    """Share of the peak rate: linear warm-up, constant, cosine over the second half."""
    decay = 0.5 * (1 - jnp.cos(jnp.pi * ramp(images, total / 2, total / 2)))
    share = ramp(images, 0.0, config.warmup) * (1 - (1 - config.final_rate) * decay)
    return share if config.rate == 1.0 else share * at(config.rate, images)


def ema_decay(images: jax.Array, config: OptimiserConfig, images_per_step: int) -> jax.Array:
    """Decay of the averaged generator in one step.

    The half-life grows with the run, so that the first average is not the initialisation
    (Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020).
    """
    halflife = jnp.minimum(config.ema_halflife, 0.1 * images + 1)
    return 0.5 ** (images_per_step / halflife)
