"""What the generator is shown of a crop, in training as in conversion.

Light and skin tone are taken off by the colours of the person's face in that footage, and the
face alone is kept, continued smoothly to where hair and background were: what is left for the
shared code is the performance, and the encoder cannot tell the people apart by what is around
them.

Nor by their eyes. Deep-set eyes below dark brows look, to an encoder, like those of another that
are half shut, and the other's decoder draws them so; lifted brows it draws as a blink. So the eyes
are taken off as well, and what they do is told by a sketch of lids and irises from the face mesh,
which is alike in all people. It has the opening between the lips, too, which is as small.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sagan_jax.configs.config import ModelConfig
from sagan_jax.inputs.push_pull import extrapolate
from sagan_jax.inputs.sketch import sketch

Array = Any  # NumPy or JAX

# Channels of all masks of a crop. The first three are its guides: what has to be known of it
# besides its picture.
MASKS = ("face", "eyes", "sketch", "mouth")
# As strong as what else is shown: pixels of the face have spread 1.
_SKETCH_CONTRAST = 4.0


def make_guides(masks: Mapping[str, np.ndarray], landmarks: np.ndarray) -> np.ndarray:
    """The guides to a crop.

    Args:
      masks: as `AlignedFace.masks`.
      landmarks: `[478, 2]` crop pixels.

    Returns:
      `[S, S, 3]` uint8: face, eyes with their lids, and `masks.sketch`.
    """
    face = masks["face"]
    return np.concatenate([face, masks["eyes"], sketch(landmarks, len(face))], -1)


def guide_channels(masks: Array) -> Array:
    """The guides among all masks: `[..., 4]` to `[..., 3]`."""
    return masks[..., :3]


def assemble(
    images: Array, guides: Array, mean: Array, std: Array, config: ModelConfig
) -> jax.Array:
    """The generator's input.

    Args:
      images: `[..., R, R, 3]` float32 in 0..1.
      guides: `[..., R, R, 3]` float32, 0..1; not read if `config.sees` is `crop`, of `face` only
        the first.
      mean: `[..., 3]` float32, colour of the face in this footage, 0..1.
      std: `[..., 3]` float32, its spread.
      config: of the networks.

    Returns:
      `[..., *config.input_shape]` float32, the picture of mean 0 and spread 1 in the face.
    """
    if config.sees == "crop":
        return (jnp.asarray(images) - mean) / std
    kept = inner_region(guides[..., :1])
    if config.sees == "face":
        return (extrapolate(images, kept) - mean) / std
    eyeless = extrapolate(images, kept * (1 - guides[..., 1:2]))
    return jnp.concatenate([(eyeless - mean) / std, _SKETCH_CONTRAST * guides[..., 2:3]], -1)


def inner_region(face: Array) -> jax.Array:
    """Where there is face and nothing else: 0 on the edge, whose pixels are half another thing.

    Drawing less than that costs likeness: without the outermost pixel of 64, identity transfer
    of the demo's clips falls from 0.63 to 0.57 and from 0.65 to 0.64.

    Args:
      face: `[..., R, R, 1]` float32, 0..1.
    """
    return jnp.clip(2 * jnp.asarray(face) - 1, 0.0, 1.0)
