"""Polygons to masks."""

from __future__ import annotations

import cv2
import numpy as np

SUBPIXEL_BITS = 4


def smooth_polygon(points: np.ndarray, size: int) -> np.ndarray:
    """A filled polygon whose edges are smooth and reach half a pixel further.

    Args:
      points: `[N, 2]` crop pixels.
      size: side of the crop, pixels.

    Returns:
      `[size, size]` uint8: 255 inside, 0 outside.
    """
    filled = np.zeros((size, size), np.uint8)
    return cv2.fillPoly(filled, [subpixel(points)], 255, cv2.LINE_AA, SUBPIXEL_BITS)


def hull(points: np.ndarray) -> np.ndarray:
    return cv2.convexHull(points.astype(np.float32))[:, 0]


def fill(polygons: list[np.ndarray], size: int) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    for polygon in polygons:
        cv2.fillPoly(mask, [subpixel(polygon)], 255, shift=SUBPIXEL_BITS)
    return mask


def subpixel(points: np.ndarray) -> np.ndarray:
    """Pixels as OpenCV's drawing takes fractions of them."""
    return np.round(points * (1 << SUBPIXEL_BITS)).astype(np.int32)


def dilate(mask: np.ndarray, radius: float) -> np.ndarray:
    width = 2 * round(radius) + 1
    return cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))


def fill_hull(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The convex hull of points `[N, 2]`: `[height, width]` uint8, 0 or 255; size is (w, h)."""
    mask = np.zeros(size[::-1], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(points.round().astype(np.int32)), 255)
    return mask
