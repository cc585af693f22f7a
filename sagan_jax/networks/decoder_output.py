"""What every decoder returns."""

from __future__ import annotations

from typing import NamedTuple

import jax

# A decoder to more than this also draws a picture at each resolution from here on.
SMALLEST_PICTURE = 64


class DecoderOutput(NamedTuple):
    """What a decoder draws.

    Attributes:
      rgb: `[..., R, R, 3]` in 0..1.
      mask_logits: `[..., R, R, 1]`, positive where the face is.
      smaller: rgb at 64 px and every doubling below R, which steady the training of deep
        decoders; nothing up to 64 px.
    """

    rgb: jax.Array
    mask_logits: jax.Array
    smaller: tuple[jax.Array, ...] = ()

    @property
    def mask(self) -> jax.Array:
        """`[..., R, R, 1]` in 0..1."""
        return jax.nn.sigmoid(self.mask_logits)
