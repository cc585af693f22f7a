"""Shot boundary detection: finds the cuts of a video from thumbnails of its frames."""

from __future__ import annotations

import cv2
import numpy as np

from data_prep.tracking.settings import TrackingSettings

# Width and height of the thumbnails, pixels.
_THUMBNAIL = (48, 27)
# Only every 8th row and column is averaged into the thumbnail; of small frames, more of them.
_STRIDE = 8


class CutDetector:
    """Finds whether each frame follows the one before it or starts a new shot."""

    def __init__(self, settings: TrackingSettings):
        self._threshold = settings.cut_difference
        self._before: np.ndarray | None = None

    def __call__(self, image: np.ndarray) -> bool:
        """Whether there is a cut between the image of the last call and this one.

        Args:
          image: `[H, W, 3]` uint8.
        """
        _, thumbnail_height = _THUMBNAIL
        stride = min(_STRIDE, max(image.shape[0] // thumbnail_height, 1))
        thinned = np.ascontiguousarray(image[::stride, ::stride])
        now = cv2.resize(thinned, _THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)
        before, self._before = self._before, now
        return before is not None and float(np.abs(now - before).mean()) > self._threshold
