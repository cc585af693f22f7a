"""Teeth and tongue between the lips of a generated face, taken from the target, who is speaking.

A decoder knows only as much of its person's teeth as the footage shows, often little, and renders
them a few pixels wide: as a white bar. So the target's are moved to where the generated lips are,
which is where the target's sketch was moved to (`retargeting`). This is for the viewer; the metrics
hardly change (`EXPERIMENTS.md`).
"""

from __future__ import annotations

import cv2
import numpy as np

from data_prep.imaging import rasterise, similarity
from data_prep.mesh import topology
from data_prep.records import AlignedFace
from sagan_jax.inputs import retargeting
from sagan_jax.inputs.retargeting import UsualPlaces
from sagan_jax.rendering import blending

# Standard deviation of the blur of the mouth's edge as a share of the crop's side: the mesh locates
# the lips to a pixel of 256.
_SOFTNESS = 0.006
# Standard deviations beyond which nothing is left of the blur.
_REACH = 4
# Pixels of the finer grid, on which the opening is filled, per pixel of the crop.
_OVERSAMPLING = 4


def with_target_mouth(crop: np.ndarray, face: AlignedFace, places: UsualPlaces) -> np.ndarray:
    """Generated crop with the target's teeth and tongue between the lips.

    Args:
      crop: `[R, R, 3]` float32 in 0..1, generated, in the colours of the scene.
      face: face of the target.
      places: usual places of both people's features, by which the target's sketch was moved.

    Returns:
      Like `crop`.
    """
    size, blur = len(crop), _SOFTNESS * len(crop)
    # Target crop to generated crop: the move of the mouth, at the resolution of the latter.
    to_crop = similarity.resize_transform(
        retargeting.feature_transforms(places)[2], len(face.image), size
    )
    lips = similarity.apply(to_crop, face.landmarks[list(topology.INNER_LIPS)])

    # A square around the lips with room for the blur is enough work for one frame.
    low, high = lips.min(0), lips.max(0)
    side = min(int((high - low).max() + 2 * _REACH * blur) + 1, size)
    left, top = corner = np.clip((low + high - side) / 2, 0, size - side).astype(int)
    place = slice(top, top + side), slice(left, left + side)

    # Filled at the crop's own resolution, the rows of an opening mouth would pop in one by one.
    finer_lips = (lips - corner + 0.5) * _OVERSAMPLING - 0.5
    filled = rasterise.smooth_polygon(finer_lips, side * _OVERSAMPLING)
    opening = cv2.resize(filled, (side, side), interpolation=cv2.INTER_AREA)
    alpha = cv2.GaussianBlur(opening.astype(np.float32) / 255, (0, 0), blur)

    target = face.image.astype(np.float32) / 255
    mouth = blending.warped(target, similarity.inverse(to_crop), place)
    mixed = crop.copy()
    mixed[place] += alpha[..., None] * (mouth - crop[place])
    return mixed
