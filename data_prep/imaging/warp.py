"""Sampling a crop from a frame, once, without aliasing."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import cv2
import numpy as np

from data_prep.imaging.similarity import apply, inverse, scale_of


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
        """Like `warp_crop`."""


def warp_crop(image: Pixels | Warps, transform: np.ndarray, size: int) -> np.ndarray:
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
