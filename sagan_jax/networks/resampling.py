"""Resampling of feature maps and images to other sizes, by powers of two."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax.typing import Initializer


def depth_to_space(x: jax.Array) -> jax.Array:
    """Turns `[N, H, W, 4C]` into `[N, 2H, 2W, C]` (pixel shuffle).

    The channels are in TensorFlow's order: row, column, C.
    """
    count, height, width, channels = x.shape
    x = x.reshape(count, height, width, 2, 2, channels // 4).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(count, 2 * height, 2 * width, channels // 4)


def space_to_depth(x: jax.Array) -> jax.Array:
    """Turns `[N, 2H, 2W, C]` into `[N, H, W, 4C]`: the inverse of `depth_to_space`."""
    count, height, width, channels = x.shape
    x = x.reshape(count, height // 2, 2, width // 2, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(count, height // 2, width // 2, 4 * channels)


def halve(x: jax.Array) -> jax.Array:
    """Averages 2x2 pixels: `[..., H, W, C]` to `[..., H/2, W/2, C]`."""
    *lead, height, width, channels = x.shape
    return x.reshape(*lead, height // 2, 2, width // 2, 2, channels).mean((-4, -2))


def icnr(initialiser: Initializer) -> Initializer:
    """Returns an initialiser of a pixel shuffle's kernel whose four sub-pixels start equal.

    So the pixel shuffle starts as nearest-neighbour upsampling, without a checkerboard (Aitken et
    al., 2017).

    Args:
      initialiser: initialiser of one sub-pixel's kernel.
    """

    def initialise(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        kernel = initialiser(key, (*shape[:-1], shape[-1] // 4), dtype)
        return jnp.tile(kernel, (1, 1, 1, 4))

    return initialise


def pool(x: jax.Array, positions: int) -> jax.Array:
    """Averages square patches of `[N, H, W, C]`, so that at most `positions` positions are left."""
    patch = 1
    while x.shape[1] * x.shape[2] // patch**2 > positions:
        patch *= 2
    count, height, width, channels = x.shape
    patches = x.reshape(count, height // patch, patch, width // patch, patch, channels)
    return patches.mean((2, 4))
