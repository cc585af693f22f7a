"""Evenly spaced samples of a longer sequence."""

from __future__ import annotations

import numpy as np


def evenly_spaced(total: int, count: int) -> np.ndarray:
    """Returns at most `count` evenly spaced indices below `total`, rising, `[K]` int.

    The first and the last index are among them.
    """
    return np.linspace(0, total - 1, min(count, total)).round().astype(int)
