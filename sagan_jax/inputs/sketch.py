"""The sketch of eyes and mouth that guides encoder and decoders."""

from __future__ import annotations

import cv2
import numpy as np

from data_prep.imaging.rasterise import SUBPIXEL_BITS, smooth_polygon, to_fixed_point
from data_prep.mesh.topology import INNER_LIPS, IRISES, LEFT_EYE, RIGHT_EYE


def render_sketch(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Renders how far the eyes are open, where they look, and how far the mouth is open.

    Args:
      landmarks: `[478, 2]` crop pixels.
      size: side of the crop, pixels.

    Returns:
      `[size, size, 1]` uint8: 127 between the lids, with 255 in the irises there; 255 between the
      lips; 0 elsewhere. Edges are smooth and reach half a pixel further.
    """
    sketch = smooth_polygon(landmarks[list(INNER_LIPS)], size)
    for lids, iris in zip((LEFT_EYE, RIGHT_EYE), IRISES, strict=True):
        opening = smooth_polygon(landmarks[list(lids)], size)
        # The lids hide the rest of the iris.
        visible_iris = cv2.min(_iris_disc(landmarks[list(iris)], size), opening)
        sketch = cv2.max(sketch, cv2.max(opening // 2, visible_iris))
    return sketch[..., None]


def _iris_disc(points: np.ndarray, size: int) -> np.ndarray:
    """Fills an iris.

    Args:
      points: `[5, 2]` crop pixels, the centre and four points on the edge.
      size: side of the crop, pixels.

    Returns:
      `[size, size]` uint8, 255 in the iris.
    """
    disc = np.zeros((size, size), np.uint8)
    radius = to_fixed_point(np.linalg.norm(points[1:] - points[0], axis=-1).mean())
    centre = to_fixed_point(points[0]).tolist()
    cv2.circle(disc, centre, int(radius), 255, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)
    return disc
