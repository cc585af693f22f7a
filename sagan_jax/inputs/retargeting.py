"""Retargeting: one person's eyes and mouth, moved to the places of another person's.

A sketch of the target's features (`sketch.py`) has their size and position; a source generated from
it would have the target's eyes and mouth. So the features are first moved to where the source's
usually are, and scaled to their width: the sketch then tells how far they are open, not whose they
are. "Usual" is the median over the footage that was trained on, because smiles move features; over
the clip it would be as good, except for a clip that shows nothing else. `demo64`, as A and as B:
identity transfer 0.71 and 0.66 without, 0.74 and 0.69 with it, and mouth and eyes open as far.

A turned head moves the mouth as well, and one person's camera may stand lower than the other's: of
the demo's two people one looks up by 7 degrees and the other down by 2. So places are compared as
they would be if both people looked straight ahead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from data_prep.imaging import similarity
from data_prep.mesh.topology import EYE_CORNERS, INNER_LIPS, IRISES, LEFT_EYE, RIGHT_EYE

_FEATURES = ((*LEFT_EYE, *IRISES[0]), (*RIGHT_EYE, *IRISES[1]), INNER_LIPS)
_CORNERS = np.array([*EYE_CORNERS, (78, 308)])
# The mouth stands out in front of the eyes: crop pixels that it moves across for a degree of yaw,
# and down for a degree of pitch. The footage of two people gives 0.51 and 0.37.
_MOUTH_SHIFT_PER_DEGREE = 0.4


class UsualPlaces(NamedTuple):
    """Usual places of both people's features, medians of `measure_places`.

    Attributes:
      replaced: `[3, 3]`, places of the person who is replaced (the target).
      rendered: `[3, 3]`, places of the person who is rendered (the source).
    """

    replaced: np.ndarray
    rendered: np.ndarray


def measure_places(landmarks: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Measures where eyes and mouth would be if the head looked straight ahead.

    Args:
      landmarks: `[..., 478, 2]` crop pixels.
      pose: `[..., 2]` yaw and pitch in degrees.

    Returns:
      `[..., 3, 3]`: a row each for left eye, right eye and mouth, with x and y of the middle
      between the corners and the distance of the corners; crop pixels.
    """
    corners = landmarks[..., _CORNERS, :]
    width = np.linalg.norm(corners[..., 1, :] - corners[..., 0, :], axis=-1, keepdims=True)
    middle = corners.mean(-2)
    middle[..., 2, :] -= np.float32(_MOUTH_SHIFT_PER_DEGREE) * pose
    return np.concatenate([middle, width], -1)


def feature_transforms(usual: UsualPlaces) -> np.ndarray:
    """Computes the similarities that move left eye, right eye and mouth to the rendered person's.

    Args:
      usual: usual places of both people.

    Returns:
      `[3, 2, 3]`, from crop pixels to crop pixels: a scale and a shift each, without rotation.
    """
    scale = usual.rendered[:, 2:] / usual.replaced[:, 2:]
    shift = usual.rendered[:, :2] - scale * usual.replaced[:, :2]
    return np.concatenate([scale[..., None] * np.eye(2), shift[..., None]], -1)


def retarget(landmarks: np.ndarray, usual: UsualPlaces | None) -> np.ndarray:
    """Moves the replaced person's eyes and mouth to the places of the rendered person's.

    Args:
      landmarks: `[478, 2]` crop pixels.
      usual: usual places of both people; None leaves everything where it is.

    Returns:
      `[478, 2]` crop pixels; all other landmarks are unchanged.
    """
    if usual is None:
        return landmarks
    moved = landmarks.copy()
    for feature, transform in zip(_FEATURES, feature_transforms(usual), strict=True):
        moved[list(feature)] = similarity.apply(transform, landmarks[list(feature)])
    return moved
