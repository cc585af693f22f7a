"""Loss terms that compare pixel by pixel, one function each.

Images are float32 in 0..1, `[..., H, W, C]`; every term is a mean, float32, 0 at best unless its
docstring says otherwise.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax


def reconstruction(
    images: jax.Array,
    target: jax.Array,
    masks: jax.Array,
    *,
    background_weight: float,
    eyes_weight: float,
    mouth_weight: float,
) -> jax.Array:
    """Absolute difference, as a weighted mean over the pixels.

    Args:
      images: `[..., H, W, 3]`.
      target: `[..., H, W, 3]`.
      masks: `[..., H, W, 4]`, 0..1, see `generator_input.MASK_CHANNELS`.
      background_weight: weight of a pixel outside the face; one inside has weight 1.
      eyes_weight: weight added inside the eyes.
      mouth_weight: weight added inside the mouth.
    """
    face, eyes, _, mouth = (masks[..., i] for i in range(4))
    weight = background_weight + (1 - background_weight) * face
    weight = weight + eyes_weight * eyes + mouth_weight * mouth
    difference = jnp.abs(images - target).mean(-1)
    return (weight * difference).sum() / weight.sum()


def edge_difference(images: jax.Array, target: jax.Array) -> jax.Array:
    """Mean difference between the strengths of the edges, both axes added."""

    def along(axis: int) -> jax.Array:
        ours, theirs = (jnp.abs(jnp.diff(x, axis=axis)) for x in (images, target))
        return jnp.abs(ours - theirs).mean()

    return along(-3) + along(-2)


def region_difference(images: jax.Array, target: jax.Array, region: jax.Array) -> jax.Array:
    """Mean absolute difference inside a region, whatever its area; 0 where it is empty.

    Args:
      images: `[..., H, W, C]`.
      target: `[..., H, W, C]`.
      region: `[..., H, W, 1]`, 0..1; one mean over the regions of all images.
    """
    difference = jnp.abs(images - target).mean(-1, keepdims=True)
    return (region * difference).sum() / jnp.maximum(region.sum(), 1.0)


def mask_cross_entropy(logits: jax.Array, mask: jax.Array) -> jax.Array:
    """Binary cross entropy of the learned mask against the prepared one, nats."""
    return optax.sigmoid_binary_cross_entropy(logits, mask).mean()


def total_variation(images: jax.Array) -> jax.Array:
    """Mean absolute difference of neighbouring pixels, both axes added."""
    rows = jnp.abs(images[..., 1:, :, :] - images[..., :-1, :, :])
    columns = jnp.abs(images[..., 1:, :] - images[..., :-1, :])
    return rows.mean() + columns.mean()


def mask_hinge(mask: jax.Array, margin: jax.Array) -> jax.Array:
    """Shortfall of a mask below a margin, mean over the pixels (Lu, faceswap-GAN, 2018)."""
    return jax.nn.relu(margin - mask).mean()
