"""Image pyramid of MTCNN: a frame at all the scales at which faces are searched.

Resampling is by area and exact, like in the `mtcnn` package: neighbouring cells of P-Net have
nearly equal scores, so a small error would select another cell and with it another box.

Compile the shrinking of rows and of columns as two programs. Within one program XLA fuses both and
averages a square of pixels for every output pixel, which takes twice the time. As matrix products,
the pyramid takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np


def shrink_rows(images: jax.Array, heights: Sequence[int]) -> list[jax.Array]:
    """Shrinks `[N, H, W, C]`, any type, to `[N, height, W * C]` float32 for each height."""
    rows = images.reshape(*images.shape[:2], -1)
    return [shrink(rows, 1, height) for height in heights]


def shrink_columns(
    levels: Sequence[jax.Array], widths: Sequence[int], channels: int = 3
) -> list[jax.Array]:
    """Shrinks each level `[N, height, W * C]` to its `[N, height, width, C]`."""
    images = [level.reshape(*level.shape[:2], -1, channels) for level in levels]
    return [shrink(image, 2, width) for image, width in zip(images, widths, strict=True)]


def shrink(x: jax.Array, axis: int, new_size: int) -> jax.Array:
    """Resamples by area along one axis (OpenCV's INTER_AREA), as a sum of shifted gathers.

    Args:
      x: array of any shape and type.
      axis: axis to shrink.
      new_size: new size of that axis, at most the present one.

    Returns:
      float32 array.
    """
    size = x.shape[axis]
    positions, coverage = _area_taps(size, new_size)

    def gather(tap: int) -> jax.Array:
        return jnp.take(x, positions[tap], axis=axis, mode="clip")

    # Most taps are whole pixels, whose sum is exact; summed as integers it is a fifth cheaper.
    whole = coverage.min(1) == 1
    sum_type = jnp.uint32 if jnp.issubdtype(x.dtype, jnp.integer) else jnp.float32
    total = jnp.zeros((), sum_type)
    for tap in np.flatnonzero(whole).tolist():
        total = total + gather(tap).astype(sum_type)
    total = total.astype(jnp.float32)
    # The others are weighted by the share of the pixel that they cover.
    trailing_axes = (1,) * (x.ndim - axis - 1)
    for tap in np.flatnonzero(~whole).tolist():
        total += gather(tap).astype(jnp.float32) * coverage[tap].reshape(-1, *trailing_axes)
    return total * jnp.float32(new_size / size)


def _area_taps(size: int, new_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the pixels that each output pixel averages and the share of each that it covers.

    Both are `[K, new_size]`: tap `k` of all output pixels is one gather.
    """
    # Rounded, so that an edge that should fall between two pixels has no sliver of a third one.
    edges = np.round(np.arange(new_size + 1) * (size / new_size), 6)
    first = np.floor(edges[:-1]).astype(np.int32)
    count = int(np.max(np.ceil(edges[1:]) - first))
    pixels = first + np.arange(count, dtype=np.int32)[:, None]
    coverage = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    return np.minimum(pixels, size - 1), np.maximum(coverage, 0).astype(np.float32)
