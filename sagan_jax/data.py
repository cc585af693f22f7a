"""Data sets to arrays that lie on the device, where the step draws its batches from them."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import cv2
import jax
import jax.numpy as jnp
import numpy as np

from data_prep import shards
from data_prep.coverage import ANGLES
from data_prep.errors import InputError

Array = Any  # NumPy before it is sent to the devices, JAX after
# Image and masks `[R, R, 3]` uint8, and the yaw in degrees.
Example = tuple[np.ndarray, np.ndarray, np.float32]


# How much more often than by chance a crop of a rare direction is drawn, at most: a single
# profile is not to be learned by heart.
_MOST_OFTEN = 10.0


class Identity(NamedTuple):
    """Crops of one person, all or a window of them; a pytree, uint8 on the device.

    Attributes:
      images: `[N, R, R, 3]` uint8 RGB.
      masks: `[N, R, R, 3]` uint8, 0..255: face, eyes and mouth.
      mean: `[3]` float32, colour of the face, 0..1.
      std: `[3]` float32, its spread.
      cumulative: `[N]` float32, how likely one of the crops up to this one is drawn, rising
        to 1; None where all are alike.
    """

    images: Array
    masks: Array
    mean: Array
    std: Array
    cumulative: Array | None = None


def load(
    folder: str | pathlib.Path, split: str, resolution: int, sampling: str = "uniform"
) -> Identity:
    """Reads one split of one identity at the resolution of the networks.

    Args:
      folder: the data set.
      split: `train` or `holdout`.
      resolution: R, pixels.
      sampling: see `Config`.

    Raises:
      InputError: if the folder is no data set or the split is empty.
    """
    examples = list(shrunk(shards.read(folder, split), resolution))
    if not examples:
        raise InputError(f"{folder}: the split '{split}' is empty; prepare a longer video")
    colour = FaceColour()
    for image, masks, _ in examples:
        colour.add(image, masks[..., 0])
    return gathered(examples, colour.result(), sampling)


def gathered(
    examples: Iterable[Example], colour: tuple[np.ndarray, np.ndarray], sampling: str
) -> Identity:
    """Crops of one person with the person's colour, see `FaceColour`, still on the host."""
    images, masks, yaws = (np.stack(part) for part in zip(*examples, strict=True))
    return Identity(images, masks, *colour, balanced(yaws) if sampling == "yaw" else None)


def shrunk(examples: Iterable[dict[str, Any]], resolution: int) -> Iterator[Example]:
    """Stored examples at the resolution of the networks: image; face, eyes and mouth; yaw."""
    for example in examples:
        masks = [_shrink(example["masks"][name], resolution) for name in shards.MASKS]
        yield _shrink(example["image"], resolution), np.stack(masks, -1), example["pose"][0]


class FaceColour:
    """Mean and standard deviation of the colour inside the face, crop by crop.

    The generator sees every person through these (`sight.seen`), so that light and skin
    tone are not what the shared code is about. Integers are summed, so the order of the crops
    does not matter.
    """

    def __init__(self) -> None:
        self._pixels, self._sum, self._squares = 0, np.zeros(3, np.int64), np.zeros(3, np.int64)

    def add(self, image: np.ndarray, mask: np.ndarray) -> None:
        """Counts a crop `[R, R, 3]` uint8 with its face `[R, R]` uint8."""
        pixels = image[mask > 127].astype(np.int64)
        self._pixels += len(pixels)
        self._sum += pixels.sum(0)
        self._squares += np.square(pixels).sum(0)

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Two `[3]` float32, on the scale 0..1."""
        mean = self._sum / self._pixels
        std = np.sqrt(self._squares / self._pixels - np.square(mean))
        return (mean / 255).astype(np.float32), (std / 255 + 1e-3).astype(np.float32)


def face_colour(images: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`FaceColour` of crops `[N, R, R, 3]` and their faces `[N, R, R, 1]`, uint8."""
    colour = FaceColour()
    for image, mask in zip(images, masks[..., 0], strict=True):
        colour.add(image, mask)
    return colour.result()


def balanced(yaws: np.ndarray) -> np.ndarray:
    """How crops are drawn for every direction of the head to come up alike.

    Directions are those of `coverage.ANGLES`, 5 degrees each, as far as they were seen.

    Args:
      yaws: `[N]` degrees.

    Returns:
      `[N]` float32, see `Identity.cumulative`.
    """
    direction = np.array([ANGLES.index(yaw) for yaw in yaws])
    weights = 1 / np.bincount(direction)[direction]
    # What a rare crop may not have, all share.
    weights = np.minimum(weights / weights.sum(), (_MOST_OFTEN - 1) / len(yaws))
    cumulative = np.cumsum(weights + (1 - weights.sum()) / len(yaws))
    return (cumulative / cumulative[-1]).astype(np.float32)


def draw_crops(key: jax.Array, data: Identity, count: int) -> tuple[jax.Array, jax.Array]:
    """Random crops and their masks, `[count, R, R, 3]` float32 each, 0..1."""
    if data.cumulative is None:
        chosen = jax.random.randint(key, (count,), 0, len(data.images))
    else:
        where = jax.random.uniform(key, (count,))
        chosen = jnp.searchsorted(data.cumulative, where, side="right")
    images = data.images[chosen].astype(jnp.float32) / 255
    return images, data.masks[chosen].astype(jnp.float32) / 255


def _shrink(image: np.ndarray, resolution: int) -> np.ndarray:
    if image.shape[-1] == 1:
        image = image[..., 0]
    size = (resolution, resolution)
    return (
        image
        if image.shape[0] == resolution
        else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    )
