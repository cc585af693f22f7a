"""What the judges see of a data set: the person as footage has it, to compare a swap with."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from data_prep.dataset import identity_card, reader
from data_prep.errors import InputError
from data_prep.even_spacing import spread
from data_prep.imaging import sharpness
from data_prep.imaging.rasterise import fill_hull
from data_prep.mesh import face_mesh
from data_prep.records import CROP_SIZE
from sagan_jax.evaluation.fid_kid import Features
from sagan_jax.evaluation.sface import SFace

# Of each split: what the judges look at.
PICTURES = 64


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Crops of one split of a data set, evenly spread over it.

    Attributes:
      images: `[K, S, S, 3]` uint8.
      masks: `[K, S, S, 1]` uint8, the face.
      landmarks: `[K, 478, 2]` float32 crop pixels.
      seconds: `[K]`, when they were seen, each video after the one before it.
      embeddings: `[K, 128]`, by the judge of identity.
      features: `[K, D]`, for distances of distributions.
    """

    images: np.ndarray
    masks: np.ndarray
    landmarks: np.ndarray
    seconds: np.ndarray
    embeddings: np.ndarray
    features: np.ndarray

    def sharpness(self, side: float) -> np.ndarray:
        """Of each crop, `[K]`, brought to a side in pixels; see `quality.sharpness`."""
        size = (max(round(side), 1),) * 2
        kernel = cv2.INTER_AREA if side < CROP_SIZE else cv2.INTER_CUBIC
        return np.array([
            sharpness.mean_laplacian(
                cv2.resize(image, size, interpolation=kernel),
                fill_hull(points * side / CROP_SIZE, size)[..., None],
            )
            for image, points in zip(self.images, self.landmarks, strict=True)
        ])  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Judges:
    """The networks that judge pictures, loaded once."""

    recogniser: SFace = dataclasses.field(default_factory=SFace)
    features: Features = dataclasses.field(default_factory=Features)


def read(folder: pathlib.Path, split: str, judges: Judges, count: int = PICTURES) -> Gallery:
    """Looks at one split of a data set.

    Args:
      folder: the data set.
      split: `train` or `holdout`.
      judges: that look.
      count: how many crops.

    Raises:
      InputError: if the folder is no data set, or the split is empty.
    """
    examples = list(_spread(folder, split, count))
    images, masks, points = (
        np.stack([get(example) for example in examples])
        for get in (_image, _mask, lambda example: example["landmarks"])
    )
    return Gallery(
        images, masks, points, _seconds(examples),
        np.stack([judges.recogniser(i, face_mesh.five_points(p))
                  for i, p in zip(images, points, strict=True)]),
        np.stack([judges.features(i, m) for i, m in zip(images, masks, strict=True)]),
    )  # fmt: skip


def _spread(folder: pathlib.Path, split: str, count: int) -> Iterator[dict[str, Any]]:
    total = identity_card.read_card(folder).count(split)
    if not total:
        raise InputError(f"{folder}: no crops in '{split}'; prepare it from a longer video")
    chosen = spread(total, count).tolist()
    parts = "+".join(f"{split}[{at}:{at + 1}]" for at in chosen)
    return reader.read(folder, parts)


def _image(example: dict[str, Any]) -> np.ndarray:
    return example["image"]


def _mask(example: dict[str, Any]) -> np.ndarray:
    return example["masks"]["face"]


def _seconds(examples: list[dict[str, Any]]) -> np.ndarray:
    """Times of the examples; another video begins where the last one ended."""
    times = np.array([example["timestamp_us"] * 1e-6 for example in examples])
    return np.concatenate([[0.0], np.maximum(np.diff(times), 0).cumsum()])
