"""Networks run by LiteRT, each call on one core."""

from __future__ import annotations

import threading

import numpy as np
from ai_edge_litert.interpreter import Interpreter


class Network:
    """A network of one input, which any number of threads may call at once.

    Args:
      model: content of the TFLite file.
    """

    def __init__(self, model: bytes):
        # An interpreter has one set of buffers, so every thread gets its own interpreter.
        self._model, self._thread_local = model, threading.local()

    def __call__(self, values: np.ndarray) -> list[np.ndarray]:
        """Returns all outputs, in the order of the model, for the input `[1, ...]` float32."""
        interpreter = self._interpreter()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
        interpreter.invoke()
        return [interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details()]

    def _interpreter(self) -> Interpreter:
        if not hasattr(self._thread_local, "interpreter"):
            interpreter = Interpreter(model_content=self._model, num_threads=1)
            interpreter.allocate_tensors()
            self._thread_local.interpreter = interpreter
        return self._thread_local.interpreter
