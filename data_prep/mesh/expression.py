"""How far mouth and eyes are open and where the eyes look, read from a face mesh."""

from __future__ import annotations

import numpy as np

from data_prep.mesh import crop_alignment
from data_prep.mesh.topology import EYE_CORNERS, IRISES, OUTER_CORNERS

_INNER_LIPS = (13, 14)


# Outer corner, two points of the upper lid, inner corner, two of the lower lid.
_EYES = ((33, 160, 158, 133, 153, 144), (263, 387, 385, 362, 380, 373))


def mouth_opening(landmarks: np.ndarray, size: int) -> float:
    """Gap between the lips in face heights: 0 shut, 0.05 in speech, 0.15 wide open.

    Args:
      landmarks: `[478, 2]` crop pixels.
      size: side of the crop, pixels.
    """
    upper, lower = landmarks[list(_INNER_LIPS)]
    return float(np.linalg.norm(upper - lower)) / (crop_alignment.FACE_HEIGHT * size)


def eye_opening(landmarks: np.ndarray) -> np.ndarray:
    """Height over width of the eyes, the mean of both: 0.3 open, below 0.15 shut.

    The eye aspect ratio of Soukupová and Čech, "Real-Time Eye Blink Detection Using Facial
    Landmarks", 2016.

    Args:
      landmarks: `[..., 478, 2]` in any unit.

    Returns:
      `[...]`.
    """
    outer, up, up2, inner, low2, low = np.moveaxis(landmarks[..., np.array(_EYES), :], -2, 0)
    height = np.linalg.norm(up - low, axis=-1) + np.linalg.norm(up2 - low2, axis=-1)
    return (height / (2 * np.linalg.norm(outer - inner, axis=-1))).mean(-1)


_UPPER_LIP, _LOWER_LIP = 13, 14


def mouth_openings(meshes: np.ndarray) -> np.ndarray:
    """Gap between the lips over the eye distance, `[N]`, of meshes `[N, 478, 2]`."""
    gap = np.linalg.norm(meshes[:, _UPPER_LIP] - meshes[:, _LOWER_LIP], axis=-1)
    eyes = np.linalg.norm(meshes[:, OUTER_CORNERS[0]] - meshes[:, OUTER_CORNERS[1]], axis=-1)
    return gap / eyes


def gaze(meshes: np.ndarray) -> np.ndarray:
    """Where the irises are in the eyes: right and down of their middle, over their width.

    Args:
      meshes: `[N, 478, 2]` pixels.

    Returns:
      `[N, 2]`, the mean of both eyes; the head may be turned in the picture.
    """
    places = []
    for (left, right), iris in zip(EYE_CORNERS, IRISES, strict=True):
        along = meshes[:, right] - meshes[:, left]
        across = along[:, ::-1] * [-1, 1]
        away = meshes[:, list(iris)].mean(1) - (meshes[:, left] + meshes[:, right]) / 2
        square = np.square(along).sum(-1)
        places.append(np.stack([(away * axis).sum(-1) / square for axis in (along, across)], -1))
    return np.mean(places, 0)
