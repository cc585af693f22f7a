"""Low-pass filter for measurements of a face, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from data_prep.json_records import JsonObject


class LowPass:
    """A first-order low-pass filter (exponential smoothing) at uneven times.

    Args:
      time_constant_s: seconds after which the output has followed a step by 63 %; 0 to disable
        the filter.
    """

    def __init__(self, time_constant_s: float):
        self._time_constant_s = time_constant_s
        self._values: dict[str, np.ndarray] = {}
        self._timestamp_us = 0

    def __call__(
        self, values: Mapping[str, np.ndarray], timestamp_us: int
    ) -> dict[str, np.ndarray]:
        """Filters the measurements of one frame; frames come in order of time.

        Args:
          values: measurements of the frame, with the same names and shapes at every call.
          timestamp_us: time of the frame, later than at the previous call.
        """
        gain = self._gain(timestamp_us - self._timestamp_us)
        # Starting from the first measurement rather than from zero avoids a fade-in.
        before = self._values or values
        self._values = {
            name: np.asarray(before[name] + gain * (value - before[name]))
            for name, value in values.items()
        }
        self._timestamp_us = timestamp_us
        return self._values

    def recent(self, timestamp_us: int, within_s: float) -> dict[str, np.ndarray] | None:
        """Last output, if it is at most `within_s` seconds older than this time; else None."""
        elapsed_us = timestamp_us - self._timestamp_us
        return self._values if self._values and elapsed_us <= within_s * 1e6 else None

    def state(self) -> JsonObject:
        """State that the next output depends on, serialisable as JSON."""
        values = {name: value.tolist() for name, value in self._values.items()}
        return {"values": values, "timestamp_us": self._timestamp_us}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continues from a state."""
        self._values = {name: np.array(value) for name, value in state["values"].items()}
        self._timestamp_us = state["timestamp_us"]

    def _gain(self, elapsed_us: int) -> float:
        """Share of the way from the last output to the new measurement."""
        if not self._time_constant_s:
            return 1.0
        return 1 - float(np.exp(-elapsed_us * 1e-6 / self._time_constant_s))
