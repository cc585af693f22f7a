"""The pyramid of MTCNN: a frame at all the scales at which faces are looked for.

Resampling is by area and exact, as in the `mtcnn` package: neighbouring cells are nearly equally
sure, the surest is taken, and a box moves with it.

The rows of all levels and then the columns are to be compiled apart. XLA fuses what is in one
program, and would average a square of pixels for every pixel of the result: twice the time. As
products with matrices, the pyramid takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np


def shrink_rows(images: jax.Array, heights: Sequence[int]) -> list[jax.Array]:
    """Fewer rows: `[N, H, W, C]`, any type, to `[N, height, W * C]` float32 for each height."""
    lines = images.reshape(*images.shape[:2], -1)
    return [shrink(lines, 1, height) for height in heights]


def shrink_columns(
    levels: Sequence[jax.Array], widths: Sequence[int], channels: int = 3
) -> list[jax.Array]:
    """Fewer columns: `[N, height, W * C]` each to `[N, height, width, C]`."""
    images = [level.reshape(*level.shape[:2], -1, channels) for level in levels]
    return [shrink(image, 2, width) for image, width in zip(images, widths, strict=True)]


def shrink(x: jax.Array, axis: int, new_size: int) -> jax.Array:
    """Resamples by area along one axis (OpenCV's INTER_AREA), as a sum of shifted gathers.

    Args:
      x: any type.
      axis: along which.
      new_size: at most the present one.

    Returns:
      float32.
    """
    size = x.shape[axis]
    positions, covered = _area_taps(size, new_size)

    def taken(tap: int) -> jax.Array:
        return jnp.take(x, positions[tap], axis=axis, mode="clip")

    # Most taps are whole pixels. Their sum is exact, and of integers a fifth cheaper.
    whole = covered.min(1) == 1
    wide = jnp.uint32 if jnp.issubdtype(x.dtype, jnp.integer) else jnp.float32
    total = sum(
        (taken(tap).astype(wide) for tap in np.flatnonzero(whole).tolist()), jnp.zeros((), wide)
    )
    total = total.astype(jnp.float32)
    behind = (1,) * (x.ndim - axis - 1)
    for tap in np.flatnonzero(~whole).tolist():
        total += taken(tap).astype(jnp.float32) * covered[tap].reshape(-1, *behind)
    return total * jnp.float32(new_size / size)


def _area_taps(size: int, new_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels an output pixel averages, and how much of each it covers: `[K, new_size]`."""
    edges = np.round(np.arange(new_size + 1) * (size / new_size), 6)
    first = np.floor(edges[:-1]).astype(np.int32)
    count = int(np.max(np.ceil(edges[1:]) - first))
    pixels = first + np.arange(count, dtype=np.int32)[:, None]
    covered = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    return np.minimum(pixels, size - 1), np.maximum(covered, 0).astype(np.float32)
