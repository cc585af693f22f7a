"""What changes over a run, as functions of the images seen; traced, so nothing recompiles."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sagan_jax.config import Config, OptimiserConfig


def ramp(images: jax.Array, start: float, length: float) -> jax.Array:
    """0 until `start`, then linearly to 1 over `length` images; scalar float32."""
    return jnp.clip((images - start) / max(length, 1.0), 0.0, 1.0)


def learning_rate_factor(images: jax.Array, config: OptimiserConfig, total: int) -> jax.Array:
    """Share of the peak rate: linear warm-up, constant, cosine over the second half."""
    decay = 0.5 * (1 - jnp.cos(jnp.pi * ramp(images, total / 2, total / 2)))
    return ramp(images, 0.0, config.warmup) * (1 - (1 - config.final_rate) * decay)


def adversarial_weight(images: jax.Array, config: Config) -> jax.Array:
    """The critic's word in the generator's loss; it joins over a tenth of the run."""
    return config.loss.adversarial * ramp(images, config.adversarial_from, config.images / 10)


def ema_decay(images: jax.Array, config: OptimiserConfig, images_per_step: int) -> jax.Array:
    """Decay of the averaged generator in one step.

    The half-life grows with the run, so that the first average is not the initialisation
    (Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020).
    """
    halflife = jnp.minimum(config.ema_halflife, 0.1 * images + 1)
    return 0.5 ** (images_per_step / halflife)
