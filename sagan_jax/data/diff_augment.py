"""Differentiable augmentation of what the critics see (Zhao et al., NeurIPS 2020).

Real and drawn pictures are changed by the same kind of random maps, in the steps of both
players, so that a critic of few pictures cannot learn them by heart. A picture's condition
moves along with it.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

_SHIFT, _CUTOUT = 0.125, 0.5


def diff_augment(
    key: jax.Array, images: jax.Array, condition: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Other light and colours, a shift, and a hole.

    Args:
      key: random key.
      images: `[N, R, R, 3]` in 0..1; the result may leave that range.
      condition: `[N, R, R, 3]`, shifted and holed alike.
    """
    key_colour, key_shift, key_hole = jax.random.split(key, 3)
    side, channels = images.shape[1], images.shape[-1]
    both = jnp.concatenate([2 * recolour(key_colour, images) - 1, condition], -1)
    both = translate(both, random_shifts(key_shift, len(images), side))
    both = both * hole(key_hole, len(images), side)
    return 0.5 * (both[..., :channels] + 1), both[..., channels:]


def recolour(key: jax.Array, images: jax.Array) -> jax.Array:
    """Brightness +-0.25, saturation 0..2 and contrast 0.5..1.5 times, of 0..1 pictures."""
    brightness, saturation, contrast = jax.random.uniform(key, (3, len(images), 1, 1, 1))
    images = images + (brightness - 0.5) / 2
    grey = images.mean(-1, keepdims=True)
    images = grey + 2 * saturation * (images - grey)
    mean = images.mean((1, 2, 3), keepdims=True)
    return mean + (0.5 + contrast) * (images - mean)


def random_shifts(key: jax.Array, count: int, side: int) -> jax.Array:
    """`[N, 2]` int32 (rows, columns), up to an eighth of the side."""
    largest = round(_SHIFT * side)
    return jax.random.randint(key, (count, 2), -largest, largest + 1)


def translate(images: jax.Array, shifts: jax.Array) -> jax.Array:
    """Moves each picture by whole pixels, zeros coming in.

    As products with matrices of a single 1 a row: the gradient is no scatter.

    Args:
      images: `[N, R, R, C]`.
      shifts: `[N, 2]` int32, down and to the right.
    """
    at = jnp.arange(images.shape[1], dtype=jnp.int32)
    rows, columns = (
        (at[None, :, None] - shifts[:, i, None, None] == at).astype(images.dtype) for i in (0, 1)
    )
    return jnp.einsum("nhi,nijc,nwj->nhwc", rows, images, columns)


def hole(key: jax.Array, count: int, side: int) -> jax.Array:
    """`[N, R, R, 1]`: 0 in a square of half the side somewhere, 1 elsewhere."""
    size = round(_CUTOUT * side)
    start = jax.random.randint(key, (2, count, 1), -(size // 2), side - size // 2)
    at = jnp.arange(side, dtype=jnp.int32)
    rows, columns = ((at >= start[i]) & (at < start[i] + size) for i in (0, 1))
    return 1.0 - (rows[:, :, None] & columns[:, None, :])[..., None].astype(jnp.float32)
