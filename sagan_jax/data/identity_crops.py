"""Data sets as arrays that lie on the devices, from which the step samples its batches."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from data_prep.dataset import reader
from data_prep.dataset.reader import StoredExample
from data_prep.errors import InputError
from data_prep.mesh.expression import eye_opening, mouth_opening_in_face_heights
from data_prep.records import CROP_SIZE
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.inputs import retargeting
from sagan_jax.inputs.generator_input import make_guides
from sagan_jax.inputs.identity_stats import FaceColour, IdentityStats

Array = Any  # NumPy before it is sent to the devices, JAX after


class Example(NamedTuple):
    """One crop as the networks see it, still on the host.

    Attributes:
      image: `[R, R, 3]` uint8 RGB.
      masks: `[R, R, 4]` uint8, 0..255, see `generator_input.MASK_CHANNELS`.
      performance: `[4]` float32, a row of `IdentityCrops.performance`.
      landmarks: `[478, 2]` float32, pixels of the whole crop.
    """

    image: np.ndarray
    masks: np.ndarray
    performance: np.ndarray
    landmarks: np.ndarray


class IdentityCrops(NamedTuple):
    """Crops of one person, all or a window of them; a pytree, uint8 on the device.

    Attributes:
      images: `[N, R, R, 3]` uint8 RGB.
      masks: `[N, R, R, 4]` uint8, 0..255, see `generator_input.MASK_CHANNELS`.
      mean: `[3]` float32, mean colour of the face, 0..1.
      std: `[3]` float32, standard deviation of that colour.
      cumulative: `[N]` float32, probability of sampling this crop or one before it, rising to 1;
        None to sample all equally often.
      performance: `[N, 4]` float32, what each face does: yaw and pitch in degrees, opening of the
        mouth in face heights, and of the eyes, height over width; None once it is not needed.
    """

    images: Array
    masks: Array
    mean: Array
    std: Array
    cumulative: Array | None = None
    performance: Array | None = None


def load(
    folder: str | pathlib.Path, split: str, crop_window: CropWindow
) -> tuple[IdentityCrops, IdentityStats]:
    """Loads one split of one identity, and the statistics of its crops.

    Arguments and errors are those of `read`.
    """
    examples = read(folder, split, crop_window)
    stats = identity_stats(examples)
    return gather(examples, stats), stats


def read(folder: str | pathlib.Path, split: str, crop_window: CropWindow) -> list[Example]:
    """Reads the crops of one split of one identity.

    Args:
      folder: folder of the data set.
      split: `train` or `holdout`.
      crop_window: part of a crop that the networks see.

    Raises:
      InputError: if the folder is no data set or the split is empty.
    """
    examples = list(to_examples(reader.read(folder, split), crop_window))
    if not examples:
        raise InputError(f"{folder}: the split '{split}' is empty; prepare a longer video")
    return examples


def identity_stats(examples: Iterable[Example]) -> IdentityStats:
    """Computes the statistics of one person's crops, keeping only a few bytes of each."""
    colour, places = FaceColour(), []
    for example in examples:
        colour.add(example.image, example.masks[..., 0])
        places.append(retargeting.measure_places(example.landmarks, example.performance[:2]))
    return IdentityStats(*colour.result(), np.median(places, 0).astype(np.float32))


def gather(examples: Iterable[Example], stats: IdentityStats) -> IdentityCrops:
    """Stacks examples of one person, still on the host; `stats` are those of the whole split."""
    images, masks, performance, _ = (np.stack(part) for part in zip(*examples, strict=True))
    return IdentityCrops(images, masks, stats.mean, stats.std, performance=performance)


def to_examples(stored: Iterable[StoredExample], crop_window: CropWindow) -> Iterator[Example]:
    """Converts stored crops (`data_prep.dataset.reader`) to what the networks see of them."""
    for crop in stored:
        landmarks, masks = crop["landmarks"], crop["masks"]
        channels = np.concatenate([make_guides(masks, landmarks), masks["mouth"]], -1)
        openings = mouth_opening_in_face_heights(landmarks, CROP_SIZE), eye_opening(landmarks)
        performance = np.array([*crop["pose"][:2], *openings], np.float32)
        image = crop_window.of(crop["image"])
        yield Example(image, crop_window.of(channels), performance, landmarks)


def sample_crops(key: jax.Array, data: IdentityCrops, count: int) -> tuple[jax.Array, jax.Array]:
    """Samples crops `[count, R, R, 3]` and their masks `[count, R, R, 4]`, float32, 0..1."""
    if data.cumulative is None:
        chosen = jax.random.randint(key, (count,), 0, len(data.images))
    else:
        # Inverse transform sampling.
        where = jax.random.uniform(key, (count,))
        chosen = jnp.searchsorted(data.cumulative, where, side="right")
    images = data.images[chosen].astype(jnp.float32) / 255
    return images, data.masks[chosen].astype(jnp.float32) / 255
