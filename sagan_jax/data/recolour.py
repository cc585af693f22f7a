"""Augmentation of colours and light: pure functions of (key, batch).

Images are `[N, R, R, 3]` float32 RGB in 0..1.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def match_colours(
    key: jax.Array,
    images: jax.Array,
    masks: jax.Array,
    others: jax.Array,
    other_masks: jax.Array,
    probability: float,
) -> jax.Array:
    """Moves each face's colour statistics towards those of another person's face.

    Mean and deviation of every channel inside the face go a random part of the way (Reinhard
    et al., 2001; in training, Lu's faceswap-GAN, 2018). The whole image is changed alike.

    Args:
      key: random key.
      images: `[N, R, R, 3]`, the images to recolour.
      masks: `[N, R, R, 1]`, their face masks, 0..1.
      others: `[N, R, R, 3]`, an image of the other person for each.
      other_masks: `[N, R, R, 1]`, face masks of `others`, 0..1.
      probability: probability of recolouring an image at all.
    """
    key_chosen, key_share = jax.random.split(key)
    chosen = jax.random.bernoulli(key_chosen, probability, (images.shape[0], 1, 1, 1))
    share = jnp.where(chosen, jax.random.uniform(key_share, chosen.shape), 0.0)
    mean, deviation = _statistics(images, masks)
    other_mean, other_deviation = _statistics(others, other_masks)
    gain = (deviation + share * (other_deviation - deviation)) / deviation
    recoloured = (images - mean) * gain + mean + share * (other_mean - mean)
    return jnp.clip(recoloured, 0.0, 1.0)


def jitter_light(
    key: jax.Array, images: jax.Array, *, hue: float, saturation: float, exposure: float
) -> jax.Array:
    """Changes hue, saturation and exposure of each image.

    Args:
      key: random key.
      images: `[N, R, R, 3]` in 0..1.
      hue: largest turn, degrees.
      saturation: largest change, share.
      exposure: largest change, stops.
    """
    turn, gain, stops = jax.random.uniform(key, (3, images.shape[0], 1, 1), minval=-1.0)
    hsv = rgb_to_hsv(jnp.clip(images * 2.0 ** (exposure * stops)[..., None], 0.0, 1.0))
    turned = hsv[..., 0] + hue / 360 * turn
    gained = jnp.clip(hsv[..., 1] * (1 + saturation * gain), 0.0, 1.0)
    return hsv_to_rgb(jnp.stack([turned, gained, hsv[..., 2]], -1))


def rgb_to_hsv(rgb: jax.Array) -> jax.Array:
    """Converts RGB to hue (turns), saturation and value, each 0..1 (Smith, 1978)."""
    red, green, blue = (rgb[..., i] for i in range(3))
    value, spread = rgb.max(-1), rgb.max(-1) - rgb.min(-1)
    safe = jnp.maximum(spread, 1e-9)
    # The hue in sixths of a turn, from the largest channel. Greys have no hue: `safe` makes it 0.
    sixths = jnp.where(
        value == red,
        (green - blue) / safe,
        jnp.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    return jnp.stack([(sixths / 6) % 1, spread / jnp.maximum(value, 1e-9), value], -1)


def hsv_to_rgb(hsv: jax.Array) -> jax.Array:
    """Converts hue, saturation and value to RGB; the hue may be any number of turns."""
    hue, saturation, value = (hsv[..., i : i + 1] for i in range(3))
    # How far the hue is from the sector of the circle where each channel is largest.
    ramp = jnp.abs((6 * hue + jnp.array([0.0, 4.0, 2.0])) % 6 - 3) - 1
    return value * (1 - saturation * (1 - jnp.clip(ramp, 0.0, 1.0)))


def _statistics(images: jax.Array, masks: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and standard deviation of each channel inside the face, `[N, 1, 1, 3]`."""
    # The constants keep an empty mask and a face of one colour from dividing by 0.
    area = masks.sum((1, 2), keepdims=True) + 1e-3
    mean = (masks * images).sum((1, 2), keepdims=True) / area
    variance = (masks * jnp.square(images - mean)).sum((1, 2), keepdims=True) / area
    return mean, jnp.sqrt(variance) + 0.01
