"""The sketch of eyes and mouth that encoder and decoders are shown."""

from __future__ import annotations

import cv2
import numpy as np

from data_prep.imaging.rasterise import SUBPIXEL_BITS, smooth_polygon, subpixel
from data_prep.mesh.topology import INNER_LIPS, IRISES, LEFT_EYE, RIGHT_EYE


def sketch(landmarks: np.ndarray, size: int) -> np.ndarray:
    """How far the eyes are open, where they look, and how far the mouth is open.

    Args:
      landmarks: `[478, 2]` crop pixels.
      size: side of the crop, pixels.

    Returns:
      `[size, size, 1]` uint8: between the lids 127, there the irises 255, between the lips 255, 0
      elsewhere. Edges are smooth and reach half a pixel further.
    """
    drawn = smooth_polygon(landmarks[list(INNER_LIPS)], size)
    for lids, iris in zip((LEFT_EYE, RIGHT_EYE), IRISES, strict=True):
        between, disc = (
            smooth_polygon(landmarks[list(lids)], size),
            np.zeros((size, size), np.uint8),
        )
        middle = landmarks[iris[0]]
        radius = subpixel(np.linalg.norm(landmarks[iris[1:]] - middle, axis=-1).mean())
        centre = subpixel(middle).tolist()
        cv2.circle(disc, centre, int(radius), 255, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)
        drawn = cv2.max(drawn, cv2.max(between // 2, cv2.min(disc, between)))
    return drawn[..., None]
