"""Small images for HTML pages and JSON cards, as JPEG in base 64."""

from __future__ import annotations

import base64

import cv2
import numpy as np

_THUMBNAIL_SIZE = 96


def thumbnail(image: np.ndarray, side: int = _THUMBNAIL_SIZE) -> str:
    """Returns a square RGB image `[S, S, 3]` uint8, scaled to `side` pixels, as `jpeg_base64`."""
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return jpeg_base64(small)


def jpeg_base64(image: np.ndarray) -> str:
    """Encodes an RGB image `[H, W, 3]` uint8 as JPEG in base 64."""
    encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    return base64.b64encode(encoded.tobytes()).decode()


def data_url(image: np.ndarray) -> str:
    """Encodes an RGB image `[H, W, 3]` uint8 as a `data:` URL, which needs no file of its own."""
    return "data:image/jpeg;base64," + jpeg_base64(image)
