"""Augmentation inside the compiled step: pure functions of (key, batch).

Input and target show the same crop, turned, zoomed, shifted and mirrored alike; the input
is warped besides, and the generator has to undo the warp (Lu's recipe of faceswap-GAN,
2018). Each is sampled once, whatever is composed.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from sagan_jax.configs.config import AugmentConfig
from sagan_jax.data import degrade, recolour
from sagan_jax.inputs.generator_input import guide_channels

_GRID = 5


class Augmented(NamedTuple):
    """A batch, every leaf `[..., R, R, C]` float32.

    Attributes:
      input: what the generator sees.
      shown: the crop that this was made of (`sight.py`), 0..1.
      guides: to it, 0..1 (`sight.py`).
      target: what it should draw, 0..1.
      masks: of the target, 0..1 (`sight.MASKS`).
    """

    input: jax.Array
    shown: jax.Array
    guides: jax.Array
    target: jax.Array
    masks: jax.Array


def augment(
    key: jax.Array,
    images: jax.Array,
    masks: jax.Array,
    config: AugmentConfig,
    warp: jax.Array | float,
    columns: float = 1.0,
) -> Augmented:
    """A batch of crops, distorted.

    Args:
      key: random key.
      images: `[N, R, R, 3]` in 0..1.
      masks: `[N, R, R, 4]` in 0..1.
      config: ranges.
      warp: that of the config at this point of the run.
      columns: by how much pixels are narrower than high (`framing.py`).
    """
    key_affine, key_warp = jax.random.split(key)
    count, side = images.shape[:2]
    transforms = random_affine(key_affine, count, config, columns)
    grid = pixel_grid(side)
    together = apply_affine(transforms, jnp.broadcast_to(grid, (count, side, side, 2)))
    warped = apply_affine(transforms, grid + random_warp(key_warp, count, side, warp))
    target = sample(jnp.concatenate([images, masks], -1), together)
    shown = sample(jnp.concatenate([images, guide_channels(masks)], -1), warped)
    image, guides = shown[..., :3], shown[..., 3:]
    return Augmented(image, image, guides, target[..., :3], target[..., 3:])


def degrade_input(key: jax.Array, batch: Augmented, config: AugmentConfig) -> Augmented:
    """Worse light, lens, sight and codec for the input, in that order; what is covered is no
    longer in the masks. Steps of range 0 are left out."""
    keys = jax.random.split(key, 5)
    shown, masks = batch.shown, batch.masks
    if config.hue or config.saturation or config.exposure:
        shown = recolour.jitter_light(
            keys[0], shown,
            hue=config.hue, saturation=config.saturation, exposure=config.exposure,
        )  # fmt: skip
    if config.occlusion:
        shown, covered = degrade.occlude(keys[1], shown, config.occlusion)
        masks = masks * (1 - covered)
    if config.blur:
        shown = degrade.motion_blur(
            keys[2], shown, probability=config.blur, length=config.blur_length
        )
    if config.noise:
        shown = degrade.noise(keys[3], shown, config.noise)
    if config.compression:
        shown = degrade.compress(
            keys[4], shown, probability=config.compression, quality=config.compression_quality
        )
    return batch._replace(shown=shown, masks=masks)


def random_affine(
    key: jax.Array, count: int, config: AugmentConfig, columns: float = 1.0
) -> jax.Array:
    """Similarities about the centre of the crop, mirrored or not.

    Args:
      key: random key.
      count: N.
      config: ranges.
      columns: see `augment`; turned are the faces, not their narrow pixels.

    Returns:
      `[N, 2, 3]` float32 from output to input coordinates, each -1..1 over the crop.
    """
    keys = jax.random.split(key, 4)
    angle = jnp.deg2rad(config.rotation) * _uniform(keys[0], (count,))
    scale = 1 + config.zoom * _uniform(keys[1], (count,))
    shift = 2 * config.shift * _uniform(keys[2], (count, 2))
    mirror = jnp.where(jax.random.bernoulli(keys[3], config.flip, (count,)), -1.0, 1.0)
    cosine, sine = scale * jnp.cos(angle), scale * jnp.sin(angle)
    rows = [
        jnp.stack([mirror * cosine, -sine / columns, shift[:, 0]], -1),
        jnp.stack([mirror * sine * columns, cosine, shift[:, 1]], -1),
    ]
    return jnp.stack(rows, -2)


def random_warp(key: jax.Array, count: int, side: int, deviation: jax.Array | float) -> jax.Array:
    """A smooth displacement from a jittered 5x5 grid.

    Args:
      key: random key.
      count: N.
      side: R, pixels.
      deviation: standard deviation of the grid points, share of the crop.

    Returns:
      `[N, R, R, 2]` float32, in coordinates of -1..1 over the crop.
    """
    jitter = 2 * deviation * jax.random.normal(key, (count, _GRID, _GRID, 2))
    return jax.image.resize(jitter, (count, side, side, 2), "cubic")


def pixel_grid(side: int) -> jax.Array:
    """Centres of the pixels, `[R, R, 2]` (x, y), with -1 and 1 the edges of the crop."""
    centres = (2 * jnp.arange(side, dtype=jnp.float32) + 1) / side - 1
    return jnp.stack(jnp.meshgrid(centres, centres), -1)


def apply_affine(transforms: jax.Array, points: jax.Array) -> jax.Array:
    """Points `[N, R, R, 2]` through `[N, 2, 3]`."""
    linear, shift = transforms[:, None, None, :, :2], transforms[:, None, None, :, 2]
    return (linear * points[..., None, :]).sum(-1) + shift


def sample(images: jax.Array, points: jax.Array) -> jax.Array:
    """Bilinear interpolation; beyond the crop its edge goes on.

    Args:
      images: `[N, R, R, C]`.
      points: `[N, H, W, 2]` (x, y), -1..1 over the crop.

    Returns:
      `[N, H, W, C]`.
    """
    count, side, _, channels = images.shape
    position = jnp.clip((points + 1) * (side / 2) - 0.5, 0, side - 1)
    low = jnp.minimum(jnp.floor(position), side - 2)
    share = (position - low)[..., None, :]
    column, row = (low[..., i].astype(jnp.int32) for i in (0, 1))
    flat = images.reshape(-1, channels)
    start = (jnp.arange(count, dtype=jnp.int32) * side * side)[:, None, None]
    corner = start + row * side + column
    top = flat[corner] * (1 - share[..., 0]) + flat[corner + 1] * share[..., 0]
    bottom = flat[corner + side] * (1 - share[..., 0]) + flat[corner + side + 1] * share[..., 0]
    return top * (1 - share[..., 1]) + bottom * share[..., 1]


def colour_jitter(key: jax.Array, inputs: jax.Array, deviation: float) -> jax.Array:
    """Another gain and offset for each colour of each normalised image `[N, R, R, 3 or more]`."""
    key_gain, key_offset = jax.random.split(key)
    image, others = inputs[..., :3], inputs[..., 3:]
    shape = (inputs.shape[0], 1, 1, 3)
    gain = 1 + deviation * jax.random.normal(key_gain, shape)
    image = image * gain + deviation * jax.random.normal(key_offset, shape)
    return jnp.concatenate([image, others], -1)


def _uniform(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)
