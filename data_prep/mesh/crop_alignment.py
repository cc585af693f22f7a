"""Alignment of a face: its landmarks to the transform into an upright square crop.

A transform is the 2x3 similarity from frame pixels to crop pixels, pixel centres at integer
coordinates on both sides (OpenCV's convention). No other module knows where in the crop a face
lies.
"""

from __future__ import annotations

import numpy as np

from data_prep.imaging.similarity import fit_similarity
from data_prep.records import CROP_SIZE

# Mean face of 376 frames of two people, fitted to each other by similarities and made
# symmetric, in units of the face height: the top of the forehead (landmark 10) is at y = 0,
# the chin (152) at y = 1. It only has points that expressions hardly move: no brows, mouth, chin.
_MEAN_FACE = {
    10: (0.0, 0.0), 151: (0.0, 0.086), 9: (0.0, 0.184), 8: (0.0, 0.244),
    168: (0.0, 0.285), 6: (0.0, 0.323), 197: (0.0, 0.354), 195: (0.0, 0.393),
    5: (0.0, 0.427), 4: (0.0, 0.470),
    109: (-0.098, 0.007), 338: (0.098, 0.007), 21: (-0.357, 0.204), 251: (0.357, 0.204),
    33: (-0.240, 0.329), 263: (0.240, 0.329), 133: (-0.082, 0.326), 362: (0.082, 0.326),
    127: (-0.388, 0.394), 356: (0.388, 0.394), 234: (-0.381, 0.481), 454: (0.381, 0.481),
    48: (-0.101, 0.510), 278: (0.101, 0.510), 93: (-0.363, 0.549), 323: (0.363, 0.549),
}  # fmt: skip

# Shares of the crop's side: the face from forehead to chin, and the space above it for the
# hairline. The rest (0.08 and more below the chin) leaves space for an open mouth.
FACE_HEIGHT = 0.78
_FOREHEAD = 0.14

RIGID_LANDMARKS = np.array(list(_MEAN_FACE))
_TEMPLATE = np.array(list(_MEAN_FACE.values())) * FACE_HEIGHT + [0.5, _FOREHEAD]


def face_transform(landmarks: np.ndarray, size: int = CROP_SIZE) -> np.ndarray:
    """Returns the frame-to-crop transform of one face.

    Args:
      landmarks: `[478, 2]` frame pixels.
      size: side of the crop, pixels.

    Returns:
      `[2, 3]` float64.
    """
    # The template is in shares of the side, where 0 is the left edge of pixel 0, not its centre.
    return fit_similarity(landmarks[RIGID_LANDMARKS], _TEMPLATE * size - 0.5)
