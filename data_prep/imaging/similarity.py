"""Similarity transforms `[2, 3]` between frame and crop pixels.

Pixel centres lie at integer coordinates on both sides (OpenCV's convention).
"""

from __future__ import annotations

import cv2
import numpy as np


def fit_similarity(points: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """The similarity (no reflection) that takes `points` nearest to `goal`.

    Least squares, in closed form (Umeyama, 1991, for two dimensions).

    Args:
      points: `[N, 2]`.
      goal: `[N, 2]`.

    Returns:
      `[2, 3]` float64.
    """
    x, y = points - points.mean(0), goal - goal.mean(0)
    cosine = np.sum(x * y)
    sine = np.sum(x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0])
    linear = np.array([[cosine, -sine], [sine, cosine]]) / np.sum(x * x)
    return np.column_stack([linear, goal.mean(0) - linear @ points.mean(0)])


def resize_transform(transform: np.ndarray, size: int, new_size: int) -> np.ndarray:
    """The same crop at another resolution.

    Args:
      transform: `[..., 2, 3]` to a crop of side `size`.
      size: old side, pixels.
      new_size: new side, pixels.
    """
    scale = new_size / size
    resized = transform * scale
    resized[..., 2] += 0.5 * (scale - 1)
    return resized


def widen_transform(transform: np.ndarray, size: int, factor: float, new_size: int) -> np.ndarray:
    """A wider view around the same crop.

    Args:
      transform: `[2, 3]` to a crop of side `size`.
      size: side of the crop, pixels.
      factor: sides of the crop that the view is wide.
      new_size: side of the view, pixels.
    """
    centred = transform - [[0, 0, (size - 1) / 2]] * 2
    return centred * (new_size / (factor * size)) + [[0, 0, (new_size - 1) / 2]] * 2


def inverse(transform: np.ndarray) -> np.ndarray:
    """Crop-to-frame transform, `[2, 3]`."""
    return cv2.invertAffineTransform(transform)


def apply(transform: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points `[..., 2]` through a transform `[2, 3]`."""
    return points @ transform[:, :2].T + transform[:, 2]


def scale_of(transform: np.ndarray) -> float:
    """Crop pixels in one frame pixel."""
    return float(np.hypot(transform[0, 0], transform[1, 0]))
