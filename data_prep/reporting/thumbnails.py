"""Small images for pages and cards, as JPEG in base 64."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from data_prep.reporting import thumbnails

_THUMBNAIL = 96


def thumbnail(image: np.ndarray, side: int = _THUMBNAIL) -> str:
    """A square RGB image `[S, S, 3]` uint8, made small, as a JPEG in base 64."""
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return jpeg(small)


def jpeg(image: np.ndarray) -> str:
    """An RGB image `[H, W, 3]` uint8 as a JPEG in base 64."""
    encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    return base64.b64encode(encoded.tobytes()).decode()


def inline(image: np.ndarray) -> str:
    """An RGB image as a `data:` address, for pages that need no other file."""
    return "data:image/jpeg;base64," + thumbnails.jpeg(image)
