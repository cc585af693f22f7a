"""Person against background (MediaPipe's selfie segmenter, run by LiteRT; Apache-2.0)."""

from __future__ import annotations

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from data_prep import weights

_INPUT_SIZE = 256


class PersonSegmenter:
    """The network, loaded once; not thread-safe (LiteRT holds one set of buffers).

    It takes the crop as it is. A wider view of the frame shows it more of the shoulders, and
    gains nothing inside the face: agreement with a face parser over 29 faces is 0.914 as it
    is and 0.912 with a view 1.3 times as wide.
    """

    def __init__(self, threads: int = 1):
        model = weights.locate(weights.SELFIE_SEGMENTER).read_bytes()
        self._network = Interpreter(model_content=model, num_threads=threads)
        self._network.allocate_tensors()
        self._input = self._network.get_input_details()[0]["index"]
        self._output = self._network.get_output_details()[0]["index"]

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        """Probability of being a person.

        Args:
          crop: `[size, size, 3]` uint8 RGB, of one face.

        Returns:
          `[size, size]` float32, 0..1.
        """
        image = cv2.resize(crop, (_INPUT_SIZE, _INPUT_SIZE), interpolation=cv2.INTER_AREA)
        self._network.set_tensor(self._input, image[None] / np.float32(255))
        self._network.invoke()
        person = self._network.get_tensor(self._output)[0, ..., 0]
        return cv2.resize(person, crop.shape[1::-1], interpolation=cv2.INTER_LINEAR)
