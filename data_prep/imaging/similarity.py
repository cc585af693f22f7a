"""Similarity transforms `[2, 3]` between frame and crop pixels.

Pixel centres lie at integer coordinates on both sides (OpenCV's convention).
"""

from __future__ import annotations

import cv2
import numpy as np


def fit_similarity(points: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Fits the similarity (no reflection) that takes `points` nearest to `goal`.

    Least squares, in closed form (Umeyama, 1991, for two dimensions).

    Args:
      points: `[N, 2]` points before the transform.
      goal: `[N, 2]` points after it.

    Returns:
      `[2, 3]` float64.
    """
    x, y = points - points.mean(0), goal - goal.mean(0)
    cosine = np.sum(x * y)
    sine = np.sum(x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0])
    linear = np.array([[cosine, -sine], [sine, cosine]]) / np.sum(x * x)
    return np.column_stack([linear, goal.mean(0) - linear @ points.mean(0)])


def resize_transform(transform: np.ndarray, size: int, new_size: int) -> np.ndarray:
    """Returns the transform of the same crop at another resolution.

    Args:
      transform: `[..., 2, 3]` to a crop of side `size`.
      size: old side, pixels.
      new_size: new side, pixels.
    """
    scale = new_size / size
    resized = transform * scale
    # Pixel centres lie at integers, so that the outer edge of the crop lies at -0.5.
    resized[..., 2] += 0.5 * (scale - 1)
    return resized


def widen_transform(transform: np.ndarray, size: int, factor: float, new_size: int) -> np.ndarray:
    """Returns the transform of a wider view around the same crop.

    Args:
      transform: `[2, 3]` to a crop of side `size`.
      size: side of the crop, pixels.
      factor: width of the view, in sides of the crop.
      new_size: side of the view, pixels.
    """
    centred = transform - [[0, 0, (size - 1) / 2]] * 2
    return centred * (new_size / (factor * size)) + [[0, 0, (new_size - 1) / 2]] * 2


def inverse(transform: np.ndarray) -> np.ndarray:
    """Inverts a transform `[2, 3]`: from frame-to-crop to crop-to-frame, or back."""
    return cv2.invertAffineTransform(transform)


def apply(transform: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Transforms points `[..., 2]` by a transform `[2, 3]`."""
    return points @ transform[:, :2].T + transform[:, 2]


def scale_of(transform: np.ndarray) -> float:
    """Returns the scale of a transform: crop pixels per frame pixel."""
    return float(np.hypot(transform[0, 0], transform[1, 0]))
