"""Data sets to arrays that stay on the device.

Two minutes of video at 64 px are 33 MB as uint8: whole identities fit, so the step gathers
its own batches and the host sends nothing.
"""

from __future__ import annotations

import pathlib
from typing import Any, NamedTuple

import cv2
import numpy as np

from data_prep import shards
from data_prep.errors import InputError

Array = Any  # NumPy before it is sent to the devices, JAX after


class Identity(NamedTuple):
    """All crops of one person; a pytree, uint8 on the device.

    Attributes:
      images: `[N, R, R, 3]` uint8 RGB.
      masks: `[N, R, R, 3]` uint8, 0..255: face, eyes and mouth.
      mean: `[3]` float32, colour of the face, 0..1.
      std: `[3]` float32, its spread.
    """

    images: Array
    masks: Array
    mean: Array
    std: Array


def load(folder: str | pathlib.Path, split: str, resolution: int) -> Identity:
    """Reads one split of one identity at the resolution of the networks.

    Args:
      folder: the data set.
      split: `train` or `holdout`.
      resolution: R, pixels.

    Raises:
      InputError: if the folder is no data set or the split is empty.
    """
    images, masks = [], []
    for example in shards.read(folder, split):
        images.append(_shrink(example["image"], resolution))
        parts = [_shrink(example["masks"][name], resolution) for name in ("face", "eyes", "mouth")]
        masks.append(np.stack(parts, -1))
    if not images:
        raise InputError(f"{folder}: the split '{split}' is empty; prepare a longer video")
    stacked, stacked_masks = np.stack(images), np.stack(masks)
    mean, std = face_colour(stacked, stacked_masks[..., :1])
    return Identity(stacked, stacked_masks, mean, std)


def face_colour(images: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the colour inside the face.

    The generator sees every person through these (`sight.seen`).

    Args:
      images: `[N, R, R, 3]` uint8.
      masks: `[N, R, R, 1]` uint8.

    Returns:
      Two `[3]` float32, on the scale 0..1.
    """
    pixels = images[masks[..., 0] > 127].astype(np.float32) / 255
    return pixels.mean(0), pixels.std(0) + 1e-3


def _shrink(image: np.ndarray, resolution: int) -> np.ndarray:
    if image.shape[-1] == 1:
        image = image[..., 0]
    size = (resolution, resolution)
    return (
        image
        if image.shape[0] == resolution
        else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    )
