"""The output type of every decoder."""

from __future__ import annotations

from typing import NamedTuple

import jax

# A decoder to a larger resolution also outputs an image at each resolution from this one on.
SMALLEST_OUTPUT = 64


class DecoderOutput(NamedTuple):
    """Image and mask that a decoder generates.

    Attributes:
      rgb: `[..., R, R, 3]` in 0..1.
      mask_logits: `[..., R, R, 1]`, positive where the face is.
      smaller: `rgb` at 64 px and every doubling below R, whose losses steady the training of deep
        decoders; empty for R up to 64 px.
    """

    rgb: jax.Array
    mask_logits: jax.Array
    smaller: tuple[jax.Array, ...] = ()

    @property
    def mask(self) -> jax.Array:
        """Opacity of the face, `[..., R, R, 1]` in 0..1."""
        return jax.nn.sigmoid(self.mask_logits)
