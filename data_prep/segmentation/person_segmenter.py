"""Segments people from the background (MediaPipe's selfie segmenter in LiteRT; Apache-2.0)."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from data_prep import weights
from data_prep.runtime.litert import Network

_INPUT_SIZE = 256


class PersonSegmenter:
    """The segmenter, for any number of threads; loads its network on the first call.

    It takes the crop as it is. A wider view of the frame contains more of the shoulders, but
    gains nothing inside the face: agreement with a face parser over 29 faces is 0.914 with the
    crop and 0.912 with a view 1.3 times as wide.
    """

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        """Returns the probability of every pixel of being a person.

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
