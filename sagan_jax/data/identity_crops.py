"""Data sets to arrays that lie on the device, where the step draws its batches from them."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from data_prep.dataset import reader
from data_prep.errors import InputError
from data_prep.mesh.expression import eye_opening, mouth_opening
from data_prep.records import CROP_SIZE
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.inputs import retargeting
from sagan_jax.inputs.generator_input import make_guides
from sagan_jax.inputs.identity_stats import FaceColour, IdentityStats

Array = Any  # NumPy before it is sent to the devices, JAX after
# Image `[R, R, 3]` and masks `[R, R, 4]`, uint8, a row of `Identity.performance`, and the landmarks
# `[478, 2]`, pixels of the whole crop.
Example = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class Identity(NamedTuple):
    """Crops of one person, all or a window of them; a pytree, uint8 on the device.

    Attributes:
      images: `[N, R, R, 3]` uint8 RGB.
      masks: `[N, R, R, 4]` uint8, 0..255, see `sight.MASKS`.
      mean: `[3]` float32, colour of the face, 0..1.
      std: `[3]` float32, its spread.
      cumulative: `[N]` float32, how likely one of the crops up to this one is drawn, rising
        to 1; None where all are alike.
      performance: `[N, 4]` float32, what each does: yaw and pitch in degrees, opening of the
        mouth in face heights and of the eyes, their height over their width; None where that is
        of no use any more.
    """

    images: Array
    masks: Array
    mean: Array
    std: Array
    cumulative: Array | None = None
    performance: Array | None = None


def load(
    folder: str | pathlib.Path, split: str, crop_window: CropWindow
) -> tuple[Identity, IdentityStats]:
    """One split of one identity as the networks see it, and what is usual of the person.

    Arguments and errors as of `read`.
    """
    examples = read(folder, split, crop_window)
    usual = identity_stats(examples)
    return gather(examples, usual), usual


def read(folder: str | pathlib.Path, split: str, crop_window: CropWindow) -> list[Example]:
    """The crops of one split of one identity, one by one.

    Args:
      folder: the data set.
      split: `train` or `holdout`.
      framing: what they see of a crop.

    Raises:
      InputError: if the folder is no data set or the split is empty.
    """
    examples = list(framed(reader.read(folder, split), crop_window))
    if not examples:
        raise InputError(f"{folder}: the split '{split}' is empty; prepare a longer video")
    return examples


def identity_stats(examples: Iterable[Example]) -> IdentityStats:
    """Of one person's crops, in constant memory but for some bytes of each."""
    colour, places = FaceColour(), []
    for image, masks, performance, landmarks in examples:
        colour.add(image, masks[..., 0])
        places.append(retargeting.places(landmarks, performance[:2]))
    return IdentityStats(*colour.result(), np.median(places, 0).astype(np.float32))


def gather(examples: Iterable[Example], of: IdentityStats) -> Identity:
    """Crops of one person with what is usual of that person, still on the host."""
    images, masks, performance, _ = (np.stack(part) for part in zip(*examples, strict=True))
    return Identity(images, masks, of.mean, of.std, performance=performance)


def framed(examples: Iterable[dict[str, Any]], crop_window: CropWindow) -> Iterator[Example]:
    """Stored examples as the networks see them: image; masks; what it does; landmarks."""
    for example in examples:
        points, masks = example["landmarks"], example["masks"]
        shown = np.concatenate([make_guides(masks, points), masks["mouth"]], -1)
        openings = mouth_opening(points, CROP_SIZE), eye_opening(points)
        performance = np.array([*example["pose"][:2], *openings], np.float32)
        yield crop_window.of(example["image"]), crop_window.of(shown), performance, points


def sample_crops(key: jax.Array, data: Identity, count: int) -> tuple[jax.Array, jax.Array]:
    """Random crops `[count, R, R, 3]` and their masks `[count, R, R, 4]`, float32, 0..1."""
    if data.cumulative is None:
        chosen = jax.random.randint(key, (count,), 0, len(data.images))
    else:
        where = jax.random.uniform(key, (count,))
        chosen = jnp.searchsorted(data.cumulative, where, side="right")
    images = data.images[chosen].astype(jnp.float32) / 255
    return images, data.masks[chosen].astype(jnp.float32) / 255
