"""Degradations by cameras, codecs and hands in front of the face: pure functions of (key, batch).

Images are `[N, R, R, 3]` float32 RGB in 0..1. Only the generator's input is degraded; the target
stays clean, so that the generator learns to see through the degradation.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

_BLOCK = 8
# Quantisation of luminance and chrominance at quality 50 (ITU-T T.81, annex K).
_LUMINANCE = np.array([
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
]).reshape(8, 8)  # fmt: skip
_CHROMINANCE = np.full((8, 8), 99)
_CHROMINANCE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
_TABLES = np.stack([_LUMINANCE, _CHROMINANCE, _CHROMINANCE], -1).astype(np.float32)
# RGB to luminance and the two differences (ITU-T T.871), without the offset of 128.
_TO_YCC = np.array([
    [0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]
], np.float32)  # fmt: skip
_MIDDLE = np.array([128.0, 0.0, 0.0], np.float32)
_FROM_YCC = np.linalg.inv(_TO_YCC).astype(np.float32)


def motion_blur(
    key: jax.Array, images: jax.Array, *, probability: float, length: float
) -> jax.Array:
    """Smears some images along a straight line of random direction.

    Args:
      key: random key.
      images: `[N, R, R, 3]` in 0..1.
      probability: probability of smearing an image.
      length: longest line, share of the side.
    """
    count, side = images.shape[:2]
    radius = max(1, round(length * side / 2))
    key_chosen, key_angle, key_length = jax.random.split(key, 3)
    angle = jax.random.uniform(key_angle, (count,), maxval=np.pi)
    lengths = 1 + 2 * radius * jax.random.uniform(key_length, (count,))
    lengths = jnp.where(jax.random.bernoulli(key_chosen, probability, (count,)), lengths, 0.0)
    return filter_each(images, line_kernels(angle, lengths, radius))


def line_kernels(angle: jax.Array, length: jax.Array, radius: int) -> jax.Array:
    """Renders antialiased line segments through the centre, each with sum 1.

    Args:
      angle: `[N]`, radians, from right to down.
      length: `[N]`, pixels.
      radius: pixels on either side of the kernels' centre.

    Returns:
      `[N, 2 * radius + 1, 2 * radius + 1]`.
    """
    offsets = jnp.arange(-radius, radius + 1, dtype=jnp.float32)
    y, x = jnp.meshgrid(offsets, offsets, indexing="ij")
    cosine, sine = jnp.cos(angle)[:, None, None], jnp.sin(angle)[:, None, None]
    along, across = x * cosine + y * sine, y * cosine - x * sine
    beyond = jnp.maximum(jnp.abs(along) - length[:, None, None] / 2 + 0.5, 0.0)
    kernels = jax.nn.relu(1 - jnp.hypot(across, beyond))
    return kernels / kernels.sum((1, 2), keepdims=True)


def filter_each(images: jax.Array, kernels: jax.Array) -> jax.Array:
    """Correlates each image with its own kernel `[N, K, K]`; its edge is repeated beyond it."""
    # Shifted multiply-adds: a depthwise convolution is ten times slower on a CPU.
    side, size = images.shape[1], kernels.shape[-1]
    padded = jnp.pad(images, ((0, 0), (size // 2,) * 2, (size // 2,) * 2, (0, 0)), mode="edge")
    total = jnp.zeros_like(images)
    for row in range(size):
        for column in range(size):
            shifted = padded[:, row : row + side, column : column + side]
            total = total + kernels[:, row, column, None, None, None] * shifted
    return total


def compress(
    key: jax.Array, images: jax.Array, *, probability: float, quality: tuple[float, float]
) -> jax.Array:
    """Compresses some images like JPEG, with its blocks and ringing.

    Args:
      key: random key.
      images: `[N, R, R, 3]` in 0..1, R a multiple of 8.
      probability: probability of compressing an image.
      quality: lowest and highest JPEG quality, 1..100.
    """
    key_chosen, key_quality = jax.random.split(key)
    shape = (images.shape[0],)
    qualities = jax.random.uniform(key_quality, shape, minval=quality[0], maxval=quality[1])
    chosen = jax.random.bernoulli(key_chosen, probability, (*shape, 1, 1, 1))
    return jnp.where(chosen, jpeg(images, qualities), images)


def jpeg(images: jax.Array, quality: jax.Array) -> jax.Array:
    """Compresses images by baseline JPEG without chroma subsampling, and decodes them again.

    Args:
      images: `[N, R, R, 3]` in 0..1, R a multiple of 8.
      quality: `[N]`, 1..100, on libjpeg's scale.
    """
    count, side = images.shape[:2]
    scale = jnp.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
    tables = jnp.clip(jnp.round(scale[:, None, None, None] * _TABLES), 1.0, 255.0)
    tables = tables[:, None, :, None]
    # The codec works on whole levels: of the colours, and of the decoded values.
    levels = jnp.round(jnp.round(255 * images) @ _TO_YCC.T) - _MIDDLE
    blocks = levels.reshape(count, side // _BLOCK, _BLOCK, side // _BLOCK, _BLOCK, 3)
    basis = _cosines()
    spectrum = jnp.einsum("ui,naibjc,vj->naubvc", basis, blocks, basis)
    spectrum = tables * jnp.round(spectrum / tables)
    blocks = jnp.einsum("ui,naubvc,vj->naibjc", basis, spectrum, basis)
    levels = jnp.round(blocks.reshape(images.shape)) + _MIDDLE
    return jnp.clip(jnp.round(levels @ _FROM_YCC.T) / 255, 0.0, 1.0)


def noise(key: jax.Array, images: jax.Array, largest: float) -> jax.Array:
    """Adds Gaussian noise of a random deviation, up to `largest`, to each image."""
    key_strength, key_noise = jax.random.split(key)
    strength = largest * jax.random.uniform(key_strength, (images.shape[0], 1, 1, 1))
    return jnp.clip(images + strength * jax.random.normal(key_noise, images.shape), 0.0, 1.0)


def occlude(key: jax.Array, images: jax.Array, probability: float) -> tuple[jax.Array, jax.Array]:
    """Covers some images with an ellipse of something else.

    Args:
      key: random key.
      images: `[N, R, R, 3]` in 0..1.
      probability: probability of covering an image.

    Returns:
      The images, and the mask of what is covered, `[N, R, R, 1]` in 0..1.
    """
    count, side = images.shape[:2]
    keys = jax.random.split(key, 4)
    centre = jax.random.uniform(keys[0], (count, 2), minval=0.15, maxval=0.85)
    half_axes = jax.random.uniform(keys[1], (count, 2), minval=0.06, maxval=0.2)
    angle, tint = jnp.split(jax.random.uniform(keys[2], (count, 4)), [1], axis=1)
    covered = ellipses(side, centre * side, half_axes * side, np.pi * angle[:, 0])
    chosen = jax.random.bernoulli(keys[3], probability, (count, 1, 1, 1))
    covered = covered * chosen.astype(jnp.float32)
    # The ellipse shows another image of the batch, upside down and tinted, because hands,
    # microphones and hair are textured, too.
    occluder = jnp.roll(images, 1, axis=0)[:, ::-1] * 0.5 + 0.5 * tint[:, None, None]
    return images + covered * (occluder - images), covered


def ellipses(side: int, centre: jax.Array, half_axes: jax.Array, angle: jax.Array) -> jax.Array:
    """Renders filled ellipses, `[N, R, R, 1]` in 0..1, with an edge about a pixel soft.

    Args:
      side: side R of the images, pixels.
      centre: `[N, 2]` (x, y), pixels, the centre of the first pixel at 0.5.
      half_axes: `[N, 2]`, pixels.
      angle: `[N]` radians from the x axis to the first half axis, right to down.
    """
    at = jnp.arange(side, dtype=jnp.float32) + 0.5
    x = at[None, None, :] - centre[:, 0, None, None]
    y = at[None, :, None] - centre[:, 1, None, None]
    cosine, sine = jnp.cos(angle)[:, None, None], jnp.sin(angle)[:, None, None]
    first, second = (half_axes[:, i, None, None] for i in (0, 1))
    radius = jnp.hypot((x * cosine + y * sine) / first, (y * cosine - x * sine) / second)
    within = (1 - radius) * jnp.minimum(first, second) + 0.5
    return jnp.clip(within, 0.0, 1.0)[..., None]


def _cosines() -> np.ndarray:
    """Basis of the orthonormal DCT-II of eight samples, `[frequency, sample]`."""
    frequency, sample = np.mgrid[:_BLOCK, :_BLOCK]
    basis = np.cos(np.pi * (2 * sample + 1) * frequency / (2 * _BLOCK)) / 2
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)
