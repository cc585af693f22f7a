"""Feature maps and images to half and twice their size."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax.typing import Initializer


def depth_to_space(x: jax.Array) -> jax.Array:
    """`[N, H, W, 4C]` to `[N, 2H, 2W, C]`, channels in TensorFlow's order (row, column, C)."""
    count, height, width, channels = x.shape
    x = x.reshape(count, height, width, 2, 2, channels // 4).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(count, 2 * height, 2 * width, channels // 4)


def space_to_depth(x: jax.Array) -> jax.Array:
    """The inverse of `depth_to_space`."""
    count, height, width, channels = x.shape
    x = x.reshape(count, height // 2, 2, width // 2, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(count, height // 2, width // 2, 4 * channels)


def halve(x: jax.Array) -> jax.Array:
    """Means of 2x2 pixels: `[..., H, W, C]` to `[..., H/2, W/2, C]`."""
    *lead, height, width, channels = x.shape
    return x.reshape(*lead, height // 2, 2, width // 2, 2, channels).mean((-4, -2))


def icnr(initialiser: Initializer) -> Initializer:
    """A kernel whose four sub-pixels start equal."""

    def initialise(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        kernel = initialiser(key, (*shape[:-1], shape[-1] // 4), dtype)
        return jnp.tile(kernel, (1, 1, 1, 4))

    return initialise


def pooled(x: jax.Array, positions: int) -> jax.Array:
    """Averages patches of `[N, H, W, C]` until at most so many positions are left."""
    patch = 1
    while x.shape[1] * x.shape[2] // patch**2 > positions:
        patch *= 2
    count, height, width, channels = x.shape
    patches = x.reshape(count, height // patch, patch, width // patch, patch, channels)
    return patches.mean((2, 4))
