"""Galleries: crops of a person, with embeddings and features, that swaps are compared with."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from data_prep.dataset import identity_card, reader
from data_prep.dataset.reader import StoredExample
from data_prep.errors import InputError
from data_prep.even_spacing import evenly_spaced
from data_prep.imaging import sharpness
from data_prep.imaging.rasterise import fill_hull
from data_prep.mesh import face_mesh
from data_prep.records import CROP_SIZE
from sagan_jax.evaluation.fid_kid import Features
from sagan_jax.evaluation.sface import SFace

# Number of crops that are read of each split.
GALLERY_SIZE = 64


@dataclasses.dataclass(frozen=True)
class Judges:
    """Networks that judge faces, loaded once.

    Attributes:
      recogniser: embeds faces, to judge identity.
      features: extracts features, for distances between distributions.
    """

    recogniser: SFace = dataclasses.field(default_factory=SFace)
    features: Features = dataclasses.field(default_factory=Features)


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Crops of one split of a data set, evenly spread over it.

    Attributes:
      images: `[K, S, S, 3]` uint8.
      masks: `[K, S, S, 1]` uint8, masks of the faces.
      landmarks: `[K, 478, 2]` float32 crop pixels.
      seconds: `[K]` times of the frames; each video continues where the previous one ended.
      embeddings: `[K, 128]` unit embeddings by `Judges.recogniser`.
      features: `[K, D]` features by `Judges.features`.
    """

    images: np.ndarray
    masks: np.ndarray
    landmarks: np.ndarray
    seconds: np.ndarray
    embeddings: np.ndarray
    features: np.ndarray

    def sharpness(self, side: float) -> np.ndarray:
        """Sharpness `[K]` of the crops, resized to `side` pixels (`sharpness.mean_laplacian`)."""
        size = (max(round(side), 1),) * 2
        kernel = cv2.INTER_AREA if side < CROP_SIZE else cv2.INTER_CUBIC
        # The hull of the mesh is used as in the frames of a clip, not the mask of the data set.
        resized = [cv2.resize(image, size, interpolation=kernel) for image in self.images]
        masks = [fill_hull(points * side / CROP_SIZE, size)[..., None] for points in self.landmarks]
        return np.array(list(map(sharpness.mean_laplacian, resized, masks)))


@dataclasses.dataclass(frozen=True)
class SourceGalleries:
    """The person that a swap should show.

    Attributes:
      train: crops that were trained on.
      holdout: crops that were held out of training.
      others: crops of other people, for retrieval.
    """

    train: Gallery
    holdout: Gallery
    others: tuple[Gallery, ...] = ()

    @classmethod
    def read(
        cls, folder: pathlib.Path, judges: Judges, others: Sequence[pathlib.Path] = ()
    ) -> SourceGalleries:
        """Reads the data sets of the person and of other people.

        Raises:
          InputError: if a data set cannot be read, or has no held-out crops.
        """
        train, holdout = (read(folder, split, judges) for split in identity_card.SPLITS)
        return cls(train, holdout, tuple(read(other, "train", judges) for other in others))


def read(folder: pathlib.Path, split: str, judges: Judges, count: int = GALLERY_SIZE) -> Gallery:
    """Reads crops of one split of a data set, and computes their embeddings and features.

    Args:
      folder: the data set.
      split: `train` or `holdout`.
      judges: networks to compute with.
      count: number of crops.

    Raises:
      InputError: if the folder is not a data set, or the split is empty.
    """
    examples = list(_examples(folder, split, count))
    images = np.stack([example["image"] for example in examples])
    masks = np.stack([example["masks"]["face"] for example in examples])
    landmarks = np.stack([example["landmarks"] for example in examples])
    embeddings = [
        judges.recogniser(image, face_mesh.five_points(points))
        for image, points in zip(images, landmarks, strict=True)
    ]
    features = [judges.features(image, mask) for image, mask in zip(images, masks, strict=True)]
    return Gallery(
        images, masks, landmarks, _seconds(examples), np.stack(embeddings), np.stack(features)
    )


def _examples(folder: pathlib.Path, split: str, count: int) -> Iterator[StoredExample]:
    """Reads `count` examples, evenly spread over the split."""
    total = identity_card.read_card(folder).count(split)
    if not total:
        raise InputError(f"{folder}: no crops in '{split}'; prepare it from a longer video")
    chosen = evenly_spaced(total, count).tolist()
    # One slice for each example: only the chosen ones are decoded.
    slices = "+".join(f"{split}[{at}:{at + 1}]" for at in chosen)
    return reader.read(folder, slices)


def _seconds(examples: list[StoredExample]) -> np.ndarray:
    """Times of the examples; a step back in time is the start of another video and counts as 0."""
    times = np.array([example["timestamp_us"] * 1e-6 for example in examples])
    return np.concatenate([[0.0], np.maximum(np.diff(times), 0).cumsum()])
