"""Samples a crop from a frame, once, without aliasing."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import cv2
import numpy as np

from data_prep.imaging.similarity import apply, inverse, scale_of


class Pixels(Protocol):
    """An image `[height, width, C]` uint8, or an object whose parts are such images."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and number of channels."""

    def __getitem__(self, place: tuple[slice, slice], /) -> np.ndarray:
        """Returns rows and columns as an image."""


@runtime_checkable
class Warpable(Protocol):
    """A frame that samples its own crops, for example plane by plane."""

    def warp(self, transform: np.ndarray, size: int) -> np.ndarray:
        """Samples a crop like `warp_crop`."""


def warp_crop(image: Pixels | Warpable, transform: np.ndarray, size: int) -> np.ndarray:
    """Samples the crop of a face from the full frame.

    Edges are replicated. Where the crop is smaller than the face in the frame, the frame is
    low-passed first, so that nothing aliases.

    Args:
      image: frame to sample.
      transform: `[2, 3]` from frame to crop pixels.
      size: side of the crop, pixels.

    Returns:
      `[size, size, C]` uint8.
    """
    if isinstance(image, Warpable):
        return image.warp(transform, size)
    shrink = 1 / scale_of(transform)
    factor = max(int(shrink), 1)
    # Only the part that the crop covers is filtered; a frame may be many times as large.
    part, transform = _cut_out(image, transform, size, margin=round(2 * shrink) + 4)
    if factor > 1:
        part, transform = _shrink(part, transform, factor)
    # A crop pixel should average a Gaussian whose width follows the shrinking. The means over
    # squares are a part of that blur, and leave only little of it to be done.
    variance = (shrink**2 - 1) / 4 - (factor**2 - 1) / 12
    if variance > 0:
        part = cv2.GaussianBlur(part, (0, 0), np.sqrt(variance) / factor + 1e-3)
    return cv2.warpAffine(
        part, transform, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )


def _shrink(image: np.ndarray, transform: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Averages squares of `factor` pixels, and adapts the transform to the smaller image."""
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
    """Cuts out the part of a frame that a crop covers, with a margin, and adapts the transform."""
    corners = np.array([[0, 0], [0, size], [size, 0], [size, size]])
    covered = apply(inverse(transform), corners)
    limit = np.array(image.shape[1::-1]) - 1
    left, top = np.clip(np.floor(covered.min(0)).astype(int) - margin, 0, limit)
    right, bottom = np.clip(np.ceil(covered.max(0)).astype(int) + margin, 0, limit) + 1
    moved = np.array(transform, np.float64)
    moved[:, 2] += moved[:, :2] @ [left, top]
    return image[top:bottom, left:right], moved
