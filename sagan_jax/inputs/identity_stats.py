"""Statistics of one person's crops in some footage: face colours and usual places of features."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Array = Any  # NumPy, or JAX on a device


class IdentityStats(NamedTuple):
    """Statistics over all crops of a person.

    Attributes:
      mean: `[3]` float32, mean colour of the face, 0..1, which depends on the light.
      std: `[3]` float32, standard deviation of that colour.
      places: `[3, 3]` float32, median of `retargeting.measure_places`.
    """

    mean: Array
    std: Array
    places: Array


class FaceColour:
    """Mean and standard deviation of the colour inside the face, accumulated crop by crop.

    The generator's input is normalised by these (`generator_input.make_input`), so that light and
    skin tone are not what the shared code is about. Integers are summed, so the order of the crops
    does not matter.
    """

    def __init__(self) -> None:
        self._pixels = 0
        self._sum = np.zeros(3, np.int64)
        self._squares = np.zeros(3, np.int64)

    def add(self, image: np.ndarray, mask: np.ndarray) -> None:
        """Adds a crop `[R, R, 3]` uint8 with its face mask `[R, R]` uint8."""
        pixels = image[mask > 127].astype(np.int64)
        self._pixels += len(pixels)
        self._sum += pixels.sum(0)
        self._squares += np.square(pixels).sum(0)

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns mean and standard deviation, each `[3]` float32, on the scale 0..1."""
        mean = self._sum / self._pixels
        std = np.sqrt(self._squares / self._pixels - np.square(mean))
        # The generator's input is divided by the deviation, which is 0 in a face of one colour.
        return (mean / 255).astype(np.float32), (std / 255 + 1e-3).astype(np.float32)


def face_colour(images: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Computes `FaceColour.result` of crops `[N, R, R, 3]` and face masks `[N, R, R, 1]`, uint8."""
    colour = FaceColour()
    for image, mask in zip(images, masks[..., 0], strict=True):
        colour.add(image, mask)
    return colour.result()
