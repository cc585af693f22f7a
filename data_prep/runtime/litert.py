"""Networks run by LiteRT, on one core each."""

from __future__ import annotations

import threading

import numpy as np
from ai_edge_litert.interpreter import Interpreter


class Network:
    """A network of one input, for any number of threads, of which each has its own.

    Args:
      model: what is in its TFLite file.
    """

    def __init__(self, model: bytes):
        # LiteRT holds one set of buffers.
        self._model, self._of_thread = model, threading.local()

    def __call__(self, values: np.ndarray) -> list[np.ndarray]:
        """All outputs, in the order of the model, for its input `[1, ...]` float32."""
        network = self._loaded()
        network.set_tensor(network.get_input_details()[0]["index"], values)
        network.invoke()
        return [network.get_tensor(each["index"]) for each in network.get_output_details()]

    def _loaded(self) -> Interpreter:
        if not hasattr(self._of_thread, "network"):
            self._of_thread.network = Interpreter(model_content=self._model, num_threads=1)
            self._of_thread.network.allocate_tensors()
        return self._of_thread.network
