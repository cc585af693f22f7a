"""Measurements of mouth, eyelids and gaze, read from a face mesh."""

from __future__ import annotations

import numpy as np

from data_prep.mesh.crop_alignment import FACE_HEIGHT
from data_prep.mesh.topology import (
    EYE_ASPECT_POINTS,
    EYE_CORNERS,
    INNER_LIP_MIDDLES,
    IRISES,
    OUTER_EYE_CORNERS,
)


def mouth_opening_in_face_heights(landmarks: np.ndarray, size: int) -> float:
    """Gap between the lips in face heights: 0 shut, 0.05 in speech, 0.15 wide open.

    All aligned crops have the same face height, so this compares crops whatever the pose. For
    meshes in frame pixels use `mouth_opening_in_eye_distances`.

    Args:
      landmarks: `[478, 2]` crop pixels.
      size: side of the crop, pixels.
    """
    # No `axis` here: float64 meshes would then round differently in the last bit.
    return float(np.linalg.norm(_lip_gap(landmarks))) / (FACE_HEIGHT * size)


def mouth_opening_in_eye_distances(meshes: np.ndarray) -> np.ndarray:
    """Gap between the lips over the distance of the outer eye corners.

    It needs no crop, so metrics use it on meshes in frame pixels.

    Args:
      meshes: `[N, 478, 2]` in any unit.

    Returns:
      `[N]`.
    """
    left, right = OUTER_EYE_CORNERS
    eye_distance = np.linalg.norm(meshes[:, left] - meshes[:, right], axis=-1)
    return np.linalg.norm(_lip_gap(meshes), axis=-1) / eye_distance


def eye_opening(landmarks: np.ndarray) -> np.ndarray:
    """Height over width of the eyes, the mean of both: 0.3 open, below 0.15 shut.

    The eye aspect ratio of Soukupová and Čech, "Real-Time Eye Blink Detection Using Facial
    Landmarks", 2016.

    Args:
      landmarks: `[..., 478, 2]` in any unit.

    Returns:
      `[...]`.
    """
    eyes = landmarks[..., np.array(EYE_ASPECT_POINTS), :]
    outer, upper, upper_2, inner, lower_2, lower = np.moveaxis(eyes, -2, 0)
    heights = np.linalg.norm(upper - lower, axis=-1) + np.linalg.norm(upper_2 - lower_2, axis=-1)
    return (heights / (2 * np.linalg.norm(outer - inner, axis=-1))).mean(-1)


def gaze(meshes: np.ndarray) -> np.ndarray:
    """Offset of the irises from the middles of their eyes, in eye widths, right and down.

    It is measured along the line between the corners of each eye, so the roll of the head does not
    matter.

    Args:
      meshes: `[N, 478, 2]` pixels.

    Returns:
      `[N, 2]`, the mean of both eyes.
    """
    offsets = []
    for (left, right), iris in zip(EYE_CORNERS, IRISES, strict=True):
        along = meshes[:, right] - meshes[:, left]
        across = along[:, ::-1] * [-1, 1]
        centre = (meshes[:, left] + meshes[:, right]) / 2
        offset = meshes[:, list(iris)].mean(1) - centre
        # Both axes are as long as the eye is wide: one division projects, the other normalises.
        square = np.square(along).sum(-1)
        offsets.append(np.stack([(offset * axis).sum(-1) / square for axis in (along, across)], -1))
    return np.mean(offsets, 0)


def _lip_gap(landmarks: np.ndarray) -> np.ndarray:
    """Vector from the lower to the upper lip, `[..., 2]`, of meshes `[..., 478, 2]`."""
    upper, lower = INNER_LIP_MIDDLES
    return landmarks[..., upper, :] - landmarks[..., lower, :]
