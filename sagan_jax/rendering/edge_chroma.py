"""Corrects the colour of the outermost pixels of a generated face.

They are learned from video, which has colour at half the resolution of brightness: a blue wall
tints the cheek before it by two pixels, and a decoder that has learned the tint generates it before
every other wall. The brightness is right there, and carries the outline.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from sagan_jax.inputs.push_pull import extrapolate
from sagan_jax.rendering.alpha import LEARNED_ZERO_BELOW

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# Width of the corrected edge as a share of the image's side. At 64 px, one pixel leaves a trace of
# the blue wall in the demo's footage, two leave none.
_WIDTH = 1 / 32


def tint_edge_from_inside(rgb: jax.Array, mask: jax.Array) -> jax.Array:
    """Gives the edge of a face, and everything beyond the edge, the tint of the pixels inside.

    Args:
      rgb: `[N, R, R, 3]` float32 in 0..1, generator output.
      mask: `[N, R, R, 1]` float32, 0..1, share of face at each pixel.

    Returns:
      Like `rgb`, with the same brightness (Rec. 601); unchanged further inside.
    """
    # Relative to the mask itself, since a mask that is uncertain everywhere has no edge.
    known = _eroded(mask, round(_WIDTH * rgb.shape[1])) / jnp.maximum(mask, LEARNED_ZERO_BELOW)
    luma = (rgb * _LUMA).sum(-1, keepdims=True)
    return jnp.clip(luma + extrapolate(rgb - luma, known), 0.0, 1.0)


def _eroded(mask: jax.Array, pixels: int) -> jax.Array:
    """Minimum of a mask over the square that extends `pixels` to every side of each pixel.

    Rows first, then columns: on a CPU 3 times as fast as the square at 64 px, 16 times at 128.
    """
    side = 2 * pixels + 1
    rows = nn.max_pool(-mask, (side, 1), padding="SAME")
    return -nn.max_pool(rows, (1, side), padding="SAME")
