"""What is usual of a person in some footage."""

from __future__ import annotations

from typing import Any, NamedTuple

Array = Any  # NumPy, or JAX on a device


class Portrait(NamedTuple):
    """What the crops of a person have in common.

    Attributes:
      mean: `[3]` float32, colour of the face, 0..1, which depends on the light.
      std: `[3]` float32, its spread.
      places: `[3, 3]` float32, median of `retarget.places`.
    """

    mean: Array
    std: Array
    places: Array
