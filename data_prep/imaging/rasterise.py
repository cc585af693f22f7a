"""Turns polygons into masks."""

from __future__ import annotations

import cv2
import numpy as np

# Fractional bits of the fixed-point coordinates that OpenCV draws with.
SUBPIXEL_BITS = 4


def smooth_polygon(points: np.ndarray, size: int) -> np.ndarray:
    """Fills a polygon whose edges are antialiased and reach half a pixel further out.

    Args:
      points: `[N, 2]` crop pixels.
      size: side of the crop, pixels.

    Returns:
      `[size, size]` uint8: 255 inside, 0 outside.
    """
    mask = np.zeros((size, size), np.uint8)
    return cv2.fillPoly(mask, [to_fixed_point(points)], 255, cv2.LINE_AA, SUBPIXEL_BITS)


def convex_hull(points: np.ndarray) -> np.ndarray:
    """Returns the corners `[M, 2]` float32 of the convex hull of points `[N, 2]`, in order."""
    return cv2.convexHull(points.astype(np.float32))[:, 0]


def fill_polygons(polygons: list[np.ndarray], size: int) -> np.ndarray:
    """Fills polygons, each by itself, so that the mask is their union.

    Args:
      polygons: `[N, 2]` crop pixels each.
      size: side of the crop, pixels.

    Returns:
      `[size, size]` uint8: 255 inside, 0 outside.
    """
    mask = np.zeros((size, size), np.uint8)
    # One call for all of them would leave out where two overlap.
    for polygon in polygons:
        cv2.fillPoly(mask, [to_fixed_point(polygon)], 255, shift=SUBPIXEL_BITS)
    return mask


def to_fixed_point(points: np.ndarray) -> np.ndarray:
    """Converts pixels to OpenCV's fixed-point coordinates, int32 with `SUBPIXEL_BITS`."""
    return np.round(points * (1 << SUBPIXEL_BITS)).astype(np.int32)


def dilate(mask: np.ndarray, radius: float) -> np.ndarray:
    """Grows a mask `[H, W]` uint8 by a radius in pixels, rounded."""
    width = 2 * round(radius) + 1
    return cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))


def fill_hull(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Fills the convex hull of points, rounded to whole pixels.

    Args:
      points: `[N, 2]` pixels.
      size: width and height of the mask, pixels.

    Returns:
      `[height, width]` uint8: 255 inside, 0 outside.
    """
    mask = np.zeros(size[::-1], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(points.round().astype(np.int32)), 255)
    return mask
