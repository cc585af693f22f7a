"""Figures that say how useful a crop is."""

from __future__ import annotations

import cv2
import numpy as np


def sharpness(image: np.ndarray, mask: np.ndarray) -> float:
    """Mean absolute Laplacian of the luma inside a mask.

    Args:
      image: `[H, W, 3]` uint8 RGB.
      mask: `[H, W, 1]` uint8, 0 or 255.

    Returns:
      0 (flat) upwards, in grey levels of 0..255; 0 for an empty mask.
    """
    inside = mask[..., 0] > 0
    if not inside.any():
        return 0.0
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return float(np.abs(cv2.Laplacian(luma, cv2.CV_32F)[inside]).mean())
