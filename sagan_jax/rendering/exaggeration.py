"""Exaggerates the rendered person's identity a little.

Some of the replaced person passes through the code and the decoder: a face of B generated from
crops of A lies on the way to A. Moreover, a face is recognised most readily when its difference
from others is exaggerated a little: by 16 % in Rhodes, Brennan and Carey, "Identification and
ratings of caricatures: Implications for mental representations of faces", 1987 (line drawings).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

# Squares to a side, between which differences vary smoothly. Finer features (lashes, the edge of a
# lip) lie at two places in the two faces, and their difference would appear as a ghost.
_SQUARES = 16


def exaggerate(generated: jax.Array, other: jax.Array, share: float) -> jax.Array:
    """Adds a share of the coarse difference from the other person with the same expression.

    Args:
      generated: `[N, R, R, 3]` float32 in 0..1.
      other: `[N, R, R, 3]` float32 in 0..1, output of the other decoder for the same codes.
      share: share of the coarse difference that is added.

    Returns:
      Like `generated`.
    """
    squares = (generated.shape[0], _SQUARES, _SQUARES, generated.shape[3])
    # A triangle two squares wide, applied twice, is close to a Gaussian of 0.6 squares.
    coarse = jax.image.resize(generated - other, squares, "linear")
    added = share * jax.image.resize(coarse, generated.shape, "linear")
    return jnp.clip(generated + added, 0.0, 1.0)
