"""The 52 expression coefficients of a face mesh (MediaPipe blendshapes, run by LiteRT).

Source: Grishchenko et al., "Blendshapes GHUM: Real-time Monocular Facial Blendshape Prediction",
2023; part of the Face Landmarker bundle, Apache-2.0.
"""

from __future__ import annotations

import numpy as np

from data_prep import weights
from data_prep.runtime.litert import Network

COUNT = 52
# Index of the coefficient that grows as the jaw drops.
JAW_OPEN = 25
# Landmarks that the network takes, in its input order; the last ten are the irises.
_POINTS = [
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66,
    67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144,
    145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173,
    176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284,
    285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332,
    334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386,
    387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, *range(468, 478),
]  # fmt: skip


class Blendshapes:
    """Blendshape network, safe to call from any number of threads."""

    def __init__(self) -> None:
        self._network = Network(weights.blendshape_model())

    def __call__(self, landmarks: np.ndarray) -> np.ndarray:
        """Computes the coefficients of one mesh.

        Args:
          landmarks: `[478, 2]` pixels; the position and size of the face do not matter.

        Returns:
          `[52]` float32 in 0..1; the first, "neutral", carries no information.
        """
        points = landmarks[_POINTS].astype(np.float32)
        (coefficients,) = self._network(points[None])
        return coefficients.reshape(COUNT)
