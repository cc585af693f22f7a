"""The colour of the outermost pixels of a drawn face.

They are learned from video, which has colour at half the resolution of brightness: a blue wall
tints the cheek before it by two pixels, and a decoder that has learned this draws the tint before
every other wall. The brightness there is right, and carries the outline.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from sagan_jax.pull_push import extrapolate

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# Of the side of the picture. At 64 px one pixel leaves a trace of the demo's blue wall, two none.
_WIDTH = 1 / 32
# Of a mask: less is not laid into a scene.
_LEAST_SHOWN = 0.3


def tinted_from_within(rgb: jax.Array, mask: jax.Array) -> jax.Array:
    """Gives the rim of a face, and what lies beyond it, the tint of what it encloses.

    Args:
      rgb: `[N, R, R, 3]` float32 in 0..1, as drawn.
      mask: `[N, R, R, 1]` float32, 0..1, where there is face in it.

    Returns:
      Like `rgb`, of the same brightness (Rec. 601); further within the same.
    """
    side = 2 * round(_WIDTH * rgb.shape[1]) + 1
    enclosed = -nn.max_pool(-mask, (side, side), padding="SAME")
    # As a share of the mask itself: one that is unsure everywhere has no rim.
    known = enclosed / jnp.maximum(mask, _LEAST_SHOWN)
    luma = (rgb * _LUMA).sum(-1, keepdims=True)
    return jnp.clip(luma + extrapolate(rgb - luma, known), 0.0, 1.0)
