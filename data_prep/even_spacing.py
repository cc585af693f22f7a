"""A few of many, evenly spread."""

from __future__ import annotations

import numpy as np


def spread(total: int, count: int) -> np.ndarray:
    """At most `count` of the numbers below `total`, evenly spread, rising, `[K]` int.

    The first and the last are among them.
    """
    return np.linspace(0, total - 1, min(count, total)).round().astype(int)
