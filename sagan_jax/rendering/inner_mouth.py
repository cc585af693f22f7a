"""What is seen between the lips: teeth and tongue of the target, who is the one that speaks.

A decoder knows of its person's teeth what the footage shows, often little, and draws them a few
pixels wide: as a white bar. So they are those of the target, brought to where the lips are drawn,
which is where its sketch was brought to (`retarget.py`). That is for those who look; in figures
hardly anything changes (`EXPERIMENTS.md`).
"""

from __future__ import annotations

import enum

import cv2
import numpy as np

from data_prep.imaging import rasterise, similarity
from data_prep.mesh import topology
from data_prep.records import AlignedFace
from sagan_jax.inputs import retargeting
from sagan_jax.inputs.retargeting import Places
from sagan_jax.rendering import blending

# Standard deviation of the blur of its edge, of the side of the crop: the mesh says to a pixel of
# 256 where lips end.
_SOFTNESS = 0.006
# Of that: beyond, nothing is left of it.
_REACH = 4
_FINER = 4


class InnerMouth(enum.StrEnum):
    """Whose teeth and tongue are seen between the lips."""

    TARGET = "target"
    DRAWN = "drawn"


def with_target_mouth(crop: np.ndarray, face: AlignedFace, usual: Places) -> np.ndarray:
    """A drawn crop with what the target shows between the lips.

    Args:
      crop: `[R, R, 3]` float32 in 0..1, in the colours of the scene.
      face: of the target.
      usual: by which its sketch was brought to where the lips are drawn.

    Returns:
      Like `crop`.
    """
    size, blur = len(crop), _SOFTNESS * len(crop)
    to_crop = similarity.resize_transform(retargeting.moves(usual)[2], len(face.image), size)
    lips = similarity.apply(to_crop, face.landmarks[list(topology.INNER_LIPS)])
    low, high = lips.min(0), lips.max(0)
    side = min(int((high - low).max() + 2 * _REACH * blur) + 1, size)
    left, top = corner = np.clip((low + high - side) / 2, 0, size - side).astype(int)
    place = slice(top, top + side), slice(left, left + side)
    # Of a finer grid: on its own, rows of an opening mouth would come one by one.
    fine = rasterise.smooth_polygon((lips - corner + 0.5) * _FINER - 0.5, side * _FINER)
    opening = cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA)
    share = cv2.GaussianBlur(opening.astype(np.float32) / 255, (0, 0), blur)
    target = face.image.astype(np.float32) / 255
    between = blending.warped(target, similarity.inverse(to_crop), place)
    mixed = crop.copy()
    mixed[place] += share[..., None] * (between - crop[place])
    return mixed
