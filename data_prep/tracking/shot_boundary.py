"""Where one shot ends and the next begins."""

from __future__ import annotations

import cv2
import numpy as np

from data_prep.tracking.tracker import TrackingSettings

_THUMBNAIL = (48, 27)


# Frames are looked at in every 8th pixel; their thumbnail is an average of the rest.
_THINNED = 8


class CutDetector:
    """Says whether a frame follows the one before it or starts a new shot."""

    def __init__(self, settings: TrackingSettings):
        self._threshold = settings.cut_difference
        self._before: np.ndarray | None = None

    def __call__(self, image: np.ndarray) -> bool:
        """Whether there is a cut between the last image given and this one, `[H, W, 3]`."""
        thin = min(_THINNED, max(image.shape[0] // _THUMBNAIL[1], 1))
        now = cv2.resize(
            np.ascontiguousarray(image[::thin, ::thin]), _THUMBNAIL, interpolation=cv2.INTER_AREA
        ).astype(np.float32)
        before, self._before = self._before, now
        return before is not None and float(np.abs(now - before).mean()) > self._threshold
