"""SFace, the face recogniser that judges identity (Zhong et al., "SFace: Sigmoid-Constrained
Hypersphere Loss for Robust Face Recognition", 2021; weights of the OpenCV Zoo, Apache-2.0).

It serves evaluation alone: a loss that used it would make its verdicts worthless.
"""

from __future__ import annotations

import cv2
import numpy as np

from data_prep import weights


class SFace:
    """Embeds faces; 20 ms a face on a CPU."""

    def __init__(self) -> None:
        self._network = cv2.FaceRecognizerSF.create(str(weights.locate(weights.SFACE)), "")

    def __call__(self, image: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Embeds one face.

        Args:
          image: `[height, width, 3]` uint8 RGB.
          points: `[5, 2]` pixels of the image, in the order of `records.Detection.points`.

        Returns:
          `[128]` float32, of unit length: the dot product of two embeddings is their cosine.
        """
        # OpenCV expects the row of a detector: box (not used here), five points, score.
        row = np.concatenate([np.zeros(4), points.reshape(-1), [1.0]]).astype(np.float32)
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        embedding = self._network.feature(self._network.alignCrop(bgr, row))[0]
        return embedding / np.linalg.norm(embedding)
