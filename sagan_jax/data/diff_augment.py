"""Differentiable augmentation of the discriminators' input (Zhao et al., NeurIPS 2020).

Real and generated images are changed by the same kind of random maps, in the steps of generator and
discriminator, so that a discriminator trained on few images cannot learn them by heart. The
condition of an image moves along with it.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

# Largest shift and side of the hole, shares of the image's side, as published.
_SHIFT, _CUTOUT = 0.125, 0.5


def diff_augment(
    key: jax.Array, images: jax.Array, condition: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Changes light and colours of images, shifts them and cuts a hole.

    Args:
      key: random key.
      images: `[N, R, R, 3]` in 0..1.
      condition: `[N, R, R, C]`.

    Returns:
      The images, which may leave 0..1, and their condition with the same shift and hole.
    """
    key_colour, key_shift, key_hole = jax.random.split(key, 3)
    side, channels = images.shape[1], images.shape[-1]
    both = jnp.concatenate([2 * jitter_colours(key_colour, images) - 1, condition], -1)
    # On the scale -1..1 the zeros that come in by shift and hole are mid grey.
    both = translate(both, random_shifts(key_shift, len(images), side))
    both = both * cutout_mask(key_hole, len(images), side)
    return 0.5 * (both[..., :channels] + 1), both[..., channels:]


def jitter_colours(key: jax.Array, images: jax.Array) -> jax.Array:
    """Changes images in 0..1: brightness by +-0.25, saturation 0..2 and contrast 0.5..1.5 times."""
    brightness, saturation, contrast = jax.random.uniform(key, (3, len(images), 1, 1, 1))
    images = images + (brightness - 0.5) / 2
    grey = images.mean(-1, keepdims=True)
    images = grey + 2 * saturation * (images - grey)
    mean = images.mean((1, 2, 3), keepdims=True)
    return mean + (0.5 + contrast) * (images - mean)


def random_shifts(key: jax.Array, count: int, side: int) -> jax.Array:
    """Samples shifts of up to an eighth of the side, `[N, 2]` int32 (rows, columns)."""
    largest = round(_SHIFT * side)
    return jax.random.randint(key, (count, 2), -largest, largest + 1)


def translate(images: jax.Array, shifts: jax.Array) -> jax.Array:
    """Shifts each image by whole pixels and fills up with zeros.

    Args:
      images: `[N, R, R, C]`.
      shifts: `[N, 2]` int32, down and to the right.
    """
    # Products with matrices that have a single 1 in a row: their gradient is no scatter.
    at = jnp.arange(images.shape[1], dtype=jnp.int32)
    rows, columns = (
        (at[None, :, None] - shifts[:, i, None, None] == at).astype(images.dtype) for i in (0, 1)
    )
    return jnp.einsum("nhi,nijc,nwj->nhwc", rows, images, columns)


def cutout_mask(key: jax.Array, count: int, side: int) -> jax.Array:
    """Samples masks `[N, R, R, 1]`: 0 in a square of half the side somewhere, 1 elsewhere."""
    size = round(_CUTOUT * side)
    start = jax.random.randint(key, (2, count, 1), -(size // 2), side - size // 2)
    at = jnp.arange(side, dtype=jnp.int32)
    rows, columns = ((at >= start[i]) & (at < start[i] + size) for i in (0, 1))
    return 1.0 - (rows[:, :, None] & columns[:, None, :])[..., None].astype(jnp.float32)
