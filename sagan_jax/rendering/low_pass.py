"""Numbers of a frame, steadied over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


class LowPass:
    """A first-order low-pass filter (exponential smoothing) at uneven times.

    Args:
      time_constant_s: after which a step has come through to 63 %; 0 for no filter.
    """

    def __init__(self, time_constant_s: float):
        self._time_constant_s = time_constant_s
        self._values: dict[str, np.ndarray] = {}
        self._timestamp_us = 0

    def __call__(
        self, values: Mapping[str, np.ndarray], timestamp_us: int
    ) -> dict[str, np.ndarray]:
        """The numbers to use for the frame at this time, in order of time.

        Args:
          values: as measured in this frame; of the same names and shapes at every call.
          timestamp_us: later than at the call before.
        """
        share = self._share(timestamp_us - self._timestamp_us)
        before = self._values or values
        self._values = {
            k: np.asarray(before[k] + share * (v - before[k])) for k, v in values.items()
        }
        self._timestamp_us = timestamp_us
        return self._values

    def recent(self, timestamp_us: int, within_s: float) -> dict[str, np.ndarray] | None:
        """What was used last, if that was at most so long before this time."""
        elapsed_us = timestamp_us - self._timestamp_us
        return self._values if self._values and elapsed_us <= within_s * 1e6 else None

    def state(self) -> dict[str, Any]:
        """What the next frame depends on, as JSON has it."""
        values = {name: value.tolist() for name, value in self._values.items()}
        return {"values": values, "timestamp_us": self._timestamp_us}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from there."""
        self._values = {name: np.array(value) for name, value in state["values"].items()}
        self._timestamp_us = state["timestamp_us"]

    def _share(self, elapsed_us: int) -> float:
        """Of the way to what is measured."""
        if not self._time_constant_s:
            return 1.0
        return 1 - float(np.exp(-elapsed_us * 1e-6 / self._time_constant_s))
