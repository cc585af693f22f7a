"""Augmentation inside the compiled step: pure functions of (key, batch).

Input and target show the same crop, rotated, zoomed, shifted and mirrored alike. Only the input is
also warped, and the generator has to undo the warp (Lu's recipe of faceswap-GAN, 2018). Each is
interpolated only once, however many maps are composed.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from sagan_jax.configs.config import AugmentConfig
from sagan_jax.data import degrade, recolour
from sagan_jax.inputs.generator_input import guide_channels

# Points on a side of the grid that is jittered to warp the input.
_GRID = 5


class Augmented(NamedTuple):
    """A batch of augmented crops, every leaf `[..., R, R, C]` float32.

    Attributes:
      input: the generator's input.
      input_image: the warped crop that the input is made from (`generator_input.make_input`), 0..1.
      guides: guides of the warped crop, 0..1 (`generator_input.make_guides`).
      target: the image that the generator should reconstruct, 0..1.
      masks: masks of the target, 0..1 (`generator_input.MASK_CHANNELS`).
    """

    input: jax.Array
    input_image: jax.Array
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
    """Distorts a batch of crops; `input` is a copy of `input_image` as yet.

    Args:
      key: random key.
      images: `[N, R, R, 3]` in 0..1.
      masks: `[N, R, R, 4]` in 0..1, see `generator_input.MASK_CHANNELS`.
      config: ranges of the distortions.
      warp: value of `config.warp` at this point of the run.
      columns: width of what a pixel shows over its height (`crop_window.py`).
    """
    key_affine, key_warp = jax.random.split(key)
    count, side = images.shape[:2]
    transforms = random_affine(key_affine, count, config, columns)
    grid = pixel_grid(side)
    # Points of the crop that target and input show: the input's are displaced first.
    affine = apply_affine(transforms, jnp.broadcast_to(grid, (count, side, side, 2)))
    warped = apply_affine(transforms, grid + random_warp(key_warp, count, side, warp))
    target = interpolate(jnp.concatenate([images, masks], -1), affine)
    source = interpolate(jnp.concatenate([images, guide_channels(masks)], -1), warped)
    input_image, guides = source[..., :3], source[..., 3:]
    return Augmented(input_image, input_image, guides, target[..., :3], target[..., 3:])


def degrade_input(key: jax.Array, batch: Augmented, config: AugmentConfig) -> Augmented:
    """Degrades `input_image` by light, occlusion, motion, noise and codec, in that order.

    Covered parts leave the masks. Steps whose range is 0 are left out.
    """
    keys = jax.random.split(key, 5)
    image, masks = batch.input_image, batch.masks
    # From the scene to the file, as a camera would record it.
    if config.hue or config.saturation or config.exposure:
        image = recolour.jitter_light(
            keys[0],
            image,
            hue=config.hue,
            saturation=config.saturation,
            exposure=config.exposure,
        )
    # The covered part is no face any more; the losses must not ask for one there.
    if config.occlusion:
        image, covered = degrade.occlude(keys[1], image, config.occlusion)
        masks = masks * (1 - covered)
    if config.blur:
        image = degrade.motion_blur(
            keys[2], image, probability=config.blur, length=config.blur_length
        )
    if config.noise:
        image = degrade.noise(keys[3], image, config.noise)
    if config.compression:
        image = degrade.compress(
            keys[4], image, probability=config.compression, quality=config.compression_quality
        )
    return batch._replace(input_image=image, masks=masks)


def random_affine(
    key: jax.Array, count: int, config: AugmentConfig, columns: float = 1.0
) -> jax.Array:
    """Samples similarities about the centre of the crop, mirrored or not.

    Args:
      key: random key.
      count: number N of transforms.
      config: ranges of rotation, zoom and shift, and the probability of mirroring.
      columns: see `augment`; faces are rotated without skew, whatever their pixels' shape.

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
    """Samples smooth displacements from a jittered 5x5 grid.

    Args:
      key: random key.
      count: number N of displacements.
      side: side R of the crop, pixels.
      deviation: standard deviation of the grid points, share of the crop's side.

    Returns:
      `[N, R, R, 2]` float32, in coordinates of -1..1 over the crop.
    """
    jitter = 2 * deviation * jax.random.normal(key, (count, _GRID, _GRID, 2))
    return jax.image.resize(jitter, (count, side, side, 2), "cubic")


def pixel_grid(side: int) -> jax.Array:
    """Returns the centres of the pixels, `[R, R, 2]` (x, y); -1 and 1 are the crop's edges."""
    centres = (2 * jnp.arange(side, dtype=jnp.float32) + 1) / side - 1
    return jnp.stack(jnp.meshgrid(centres, centres), -1)


def apply_affine(transforms: jax.Array, points: jax.Array) -> jax.Array:
    """Maps points `[N, R, R, 2]` by transforms `[N, 2, 3]`."""
    linear, shift = transforms[:, None, None, :, :2], transforms[:, None, None, :, 2]
    return (linear * points[..., None, :]).sum(-1) + shift


def interpolate(images: jax.Array, points: jax.Array) -> jax.Array:
    """Interpolates images bilinearly at points; beyond the crop its edge is repeated.

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
    # Gathers from one flat list of pixels.
    flat = images.reshape(-1, channels)
    start = (jnp.arange(count, dtype=jnp.int32) * side * side)[:, None, None]
    corner = start + row * side + column
    top = flat[corner] * (1 - share[..., 0]) + flat[corner + 1] * share[..., 0]
    bottom = flat[corner + side] * (1 - share[..., 0]) + flat[corner + side + 1] * share[..., 0]
    return top * (1 - share[..., 1]) + bottom * share[..., 1]


def colour_jitter(key: jax.Array, inputs: jax.Array, deviation: float) -> jax.Array:
    """Changes gain and offset of each colour channel of each generator input.

    Args:
      key: random key.
      inputs: `[N, R, R, 3 or more]`; channels after the first three stay as they are.
      deviation: standard deviation of gain and offset.
    """
    key_gain, key_offset = jax.random.split(key)
    image, others = inputs[..., :3], inputs[..., 3:]
    shape = (inputs.shape[0], 1, 1, 3)
    gain = 1 + deviation * jax.random.normal(key_gain, shape)
    image = image * gain + deviation * jax.random.normal(key_offset, shape)
    return jnp.concatenate([image, others], -1)


def _uniform(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)
