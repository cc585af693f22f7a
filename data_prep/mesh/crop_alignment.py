"""Landmarks to an upright square crop, and back.

A transform is the 2x3 similarity from frame pixels to crop pixels, pixel centres at integer
coordinates on both sides (OpenCV's convention). This is the only place that knows where in
the crop a face lies.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import cv2
import numpy as np

from data_prep.records import CROP_SIZE

# The mean face of 376 frames of two people, fitted to each other by similarities and made
# symmetric, in units of the face height: the top of the forehead (landmark 10) is at y = 0,
# the chin (152) at y = 1. Only points that expressions hardly move: no brows, mouth, chin.
_MEAN_FACE = {
    10: (0.0, 0.0), 151: (0.0, 0.086), 9: (0.0, 0.184), 8: (0.0, 0.244),
    168: (0.0, 0.285), 6: (0.0, 0.323), 197: (0.0, 0.354), 195: (0.0, 0.393),
    5: (0.0, 0.427), 4: (0.0, 0.470),
    109: (-0.098, 0.007), 338: (0.098, 0.007), 21: (-0.357, 0.204), 251: (0.357, 0.204),
    33: (-0.240, 0.329), 263: (0.240, 0.329), 133: (-0.082, 0.326), 362: (0.082, 0.326),
    127: (-0.388, 0.394), 356: (0.388, 0.394), 234: (-0.381, 0.481), 454: (0.381, 0.481),
    48: (-0.101, 0.510), 278: (0.101, 0.510), 93: (-0.363, 0.549), 323: (0.363, 0.549),
}  # fmt: skip

# Share of the crop: the face from forehead to chin, and the room above it for the hairline.
# What is left below the chin (0.08 and more) is room for an open mouth.
FACE_HEIGHT = 0.78
_FOREHEAD = 0.14

RIGID_LANDMARKS = np.array(list(_MEAN_FACE))
_TEMPLATE = np.array(list(_MEAN_FACE.values())) * FACE_HEIGHT + [0.5, _FOREHEAD]


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


def face_transform(landmarks: np.ndarray, size: int = CROP_SIZE) -> np.ndarray:
    """Frame-to-crop transform of one face.

    Args:
      landmarks: `[478, 2]` frame pixels.
      size: side of the crop, pixels.

    Returns:
      `[2, 3]` float64.
    """
    # The template speaks of shares of the side: share 0 is the left edge of pixel 0.
    return fit_similarity(landmarks[RIGID_LANDMARKS], _TEMPLATE * size - 0.5)


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


class Pixels(Protocol):
    """An image, or what gives parts of one: `[height, width, C]` uint8."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and number of channels."""

    def __getitem__(self, place: tuple[slice, slice], /) -> np.ndarray:
        """Rows and columns."""


@runtime_checkable
class Warps(Protocol):
    """What makes crops of itself better than from its pixels."""

    def warp(self, transform: np.ndarray, size: int) -> np.ndarray:
        """As the function `warp`."""


def warp(image: Pixels | Warps, transform: np.ndarray, size: int) -> np.ndarray:
    """The crop of one face, sampled once from the full frame.

    Edges are replicated. Where the crop is smaller than the face in the frame, the frame is
    low-passed first, so that nothing aliases.

    Args:
      image: the frame.
      transform: `[2, 3]` frame to crop pixels.
      size: side of the crop, pixels.

    Returns:
      `[size, size, C]` uint8.
    """
    if isinstance(image, Warps):
        return image.warp(transform, size)
    shrink = 1 / scale_of(transform)
    factor = max(int(shrink), 1)
    part, transform = _cut_out(image, transform, size, margin=round(2 * shrink) + 4)
    if factor > 1:
        part, transform = _shrunk(part, transform, factor)
    # A pixel of the crop should see a Gaussian as wide as the shrinking asks for; means of
    # squares are a part of it, and leave little to be blurred.
    variance = (shrink**2 - 1) / 4 - (factor**2 - 1) / 12
    if variance > 0:
        part = cv2.GaussianBlur(part, (0, 0), np.sqrt(variance) / factor + 1e-3)
    return cv2.warpAffine(
        part, transform, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )


def _shrunk(image: np.ndarray, transform: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of squares of so many pixels, and the transform from there."""
    height, width = image.shape[:2]
    image = cv2.copyMakeBorder(image, 0, -height % factor, 0, -width % factor, cv2.BORDER_REPLICATE)
    small = (image.shape[1] // factor, image.shape[0] // factor)
    moved = transform.copy()
    moved[:, 2] += moved[:, :2].sum(1) * (factor - 1) / 2
    moved[:, :2] *= factor
    return cv2.resize(image, small, interpolation=cv2.INTER_AREA), moved


def _cut_out(
    image: Pixels, transform: np.ndarray, size: int, margin: int
) -> tuple[np.ndarray, np.ndarray]:
    """The part of a frame that a crop sees, `margin` pixels around, and its transform."""
    corners = np.array([[0, 0], [0, size], [size, 0], [size, size]])
    seen = apply(inverse(transform), corners)
    limit = np.array(image.shape[1::-1]) - 1
    left, top = np.clip(np.floor(seen.min(0)).astype(int) - margin, 0, limit)
    right, bottom = np.clip(np.ceil(seen.max(0)).astype(int) + margin, 0, limit) + 1
    moved = np.array(transform, np.float64)
    moved[:, 2] += moved[:, :2] @ [left, top]
    return image[top:bottom, left:right], moved
