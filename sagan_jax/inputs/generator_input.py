"""The generator's input, made from a crop in the same way in training and in conversion.

Light and skin tone are removed by the colours of the person's face in that footage. Only the face
is kept, and continued smoothly to where hair and background were. What is left for the shared code
is the performance: the encoder cannot tell the people apart by their surroundings.

Nor can it by their eyes. To an encoder, deep-set eyes below dark brows look like another person's
half-shut eyes, and the other person's decoder generates them so; lifted brows become a blink. So
the eyes are removed as well, and a sketch of lids and irises from the face mesh, which looks alike
for all people, takes their place. The sketch also has the opening between the lips, which is as
small.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sagan_jax.configs.config import ModelConfig
from sagan_jax.inputs.push_pull import extrapolate
from sagan_jax.inputs.sketch import render_sketch

Array = Any  # NumPy or JAX

# Channels of all masks of a crop. The first three are its guides: what is needed of a crop, besides
# its image, to make the generator's input.
MASK_CHANNELS = ("face", "eyes", "sketch", "mouth")
# Makes the sketch as strong as the image, whose pixels have spread 1 in the face.
_SKETCH_CONTRAST = 4.0


def make_guides(masks: Mapping[str, np.ndarray], landmarks: np.ndarray) -> np.ndarray:
    """Makes the guides of a crop.

    Args:
      masks: masks of the crop, see `AlignedFace.masks`; `face` and `eyes` are read.
      landmarks: `[478, 2]` crop pixels.

    Returns:
      `[S, S, 3]` uint8: face, eyes with their lids, and `sketch.render_sketch`.
    """
    face = masks["face"]
    return np.concatenate([face, masks["eyes"], render_sketch(landmarks, len(face))], -1)


def guide_channels(masks: Array) -> Array:
    """Selects the guides among all masks: `[..., 4]` to `[..., 3]`."""
    return masks[..., :3]


def make_input(
    images: Array, guides: Array, mean: Array, std: Array, config: ModelConfig
) -> jax.Array:
    """Makes the generator's input.

    Args:
      images: `[..., R, R, 3]` float32 in 0..1.
      guides: `[..., R, R, 3]` float32, 0..1; not read if `config.sees` is `crop`, and only the
        first channel if it is `face`.
      mean: `[..., 3]` float32, mean colour of the face in this footage, 0..1.
      std: `[..., 3]` float32, standard deviation of that colour.
      config: config of the networks.

    Returns:
      `[..., *config.input_shape]` float32; the image channels have mean 0 and spread 1 in the face.
    """
    if config.sees == "crop":
        return (jnp.asarray(images) - mean) / std
    face = inner_region(guides[..., :1])
    if config.sees == "face":
        return (extrapolate(images, face) - mean) / std
    eyeless = extrapolate(images, face * (1 - guides[..., 1:2]))
    return jnp.concatenate([(eyeless - mean) / std, _SKETCH_CONTRAST * guides[..., 2:3]], -1)


def inner_region(face: Array) -> jax.Array:
    """Narrows a face mask to pixels that show nothing but the face.

    Pixels on the edge show something else by half and become 0. No more than that is left out,
    because it costs likeness: without the outermost pixel of 64, identity transfer of the demo's
    clips falls from 0.63 to 0.57 and from 0.65 to 0.64.

    Args:
      face: `[..., R, R, 1]` float32, 0..1.

    Returns:
      `[..., R, R, 1]` float32, 0..1.
    """
    return jnp.clip(2 * jnp.asarray(face) - 1, 0.0, 1.0)
