"""A drawn face told apart from the other person's a little more than it was.

Some of whoever is replaced comes through the code and the decoder: what is drawn of B from crops
of A lies on the way to A. And a face is taken most readily for whose it is when what tells it from
others is exaggerated a little: by 16 % in Rhodes, Brennan and Carey, "Identification and ratings
of caricatures: Implications for mental representations of faces", 1987 (line drawings).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

# Squares to the side between which differences vary smoothly. What is finer (lashes, the edge of a
# lip) lies at two places in the two faces, and its difference would be seen as a ghost.
_SQUARES = 16


def exaggerate(drawn: jax.Array, other: jax.Array, share: float) -> jax.Array:
    """Adds a share of what tells a face from the other person's doing the same.

    Args:
      drawn: `[N, R, R, 3]` float32 in 0..1.
      other: of the same codes by the other decoder.
      share: of their coarse difference.

    Returns:
      Like `drawn`.
    """
    squares = (drawn.shape[0], _SQUARES, _SQUARES, drawn.shape[3])
    # Triangles of two squares' width, twice: like a Gaussian of 0.6 squares.
    apart = jax.image.resize(drawn - other, squares, "linear")
    return jnp.clip(drawn + share * jax.image.resize(apart, drawn.shape, "linear"), 0.0, 1.0)
