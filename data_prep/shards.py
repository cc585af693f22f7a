"""Aligned faces to a TFDS data set, and back: one folder, one identity.

The folder is read by anyone with `tfds.builder_from_directory(folder)`. TensorFlow and TFDS
are imported where they are used: they take seconds, and a wrong flag should not wait.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import pathlib
import shutil
from collections.abc import Iterator
from concurrent import futures
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from data_prep import data_card
from data_prep.errors import InputError
from data_prep.records import (
    CROP_SIZE,
    EMBEDDING_SIZE,
    NUM_LANDMARKS,
    SCHEMA_VERSION,
    AlignedFace,
)

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

SPLITS = ("train", "holdout")
MASKS = ("face", "eyes", "mouth")
_CARD = "card.json"
_SHARD_EXAMPLES = 512
# Lossless at any level; at 1 a crop is written in 3 ms, 5 % larger than at 6.
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]


@dataclasses.dataclass(frozen=True)
class IdentityCard:
    """What a data set says about itself.

    Attributes:
      identity: name of the person.
      consent: the statement under which the footage may be used.
      videos: name, SHA-256 and figures of every video it was made from.
      settings: with which the faces were found.
      models: origin and licence of every model used.
      fingerprint: SHA-256 over videos, settings and schema.
      schema_version: of the examples.
    """

    identity: str
    consent: str
    videos: tuple[dict[str, Any], ...]
    settings: dict[str, Any]
    models: tuple[dict[str, Any], ...]
    fingerprint: str
    schema_version: str = SCHEMA_VERSION


class Writer:
    """Writes a data set aside and puts it in its place when it is whole.

    A context manager; if the block fails, what was in the folder before stays.

    Args:
      folder: the data set.
      identity: name of the person.
      consent: statement of consent.
    """

    def __init__(self, folder: pathlib.Path, identity: str, consent: str):
        import tensorflow_datasets as tfds

        self._folder = folder
        self._aside = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(self._aside, ignore_errors=True)
        self._aside.mkdir(parents=True)
        # Whose crops these are is known from the first one on; the whole card comes last.
        (self._aside / _CARD).write_text(json.dumps({"identity": identity, "consent": consent}))
        identity_of_set = tfds.core.dataset_info.DatasetIdentity(
            name="face_identity",
            version=tfds.core.Version(SCHEMA_VERSION),
            data_dir=str(self._aside),
            module_name=__name__,
        )
        info = tfds.core.DatasetInfo(
            builder=identity_of_set,
            description=f"Aligned faces of {identity}. Consent: {consent}",
            features=_features(),
        )
        self._writer = tfds.core.SequentialWriter(info, _SHARD_EXAMPLES)
        self._writer.initialize_splits(list(SPLITS))
        self.path = self._aside

    def add(self, split: str, faces: Iterator[AlignedFace], video: dict[str, Any]) -> int:
        """Appends faces, a few at a time; returns their number."""
        count = 0
        with futures.ThreadPoolExecutor() as encoders:
            while batch := list(itertools.islice(faces, 64)):
                examples = list(encoders.map(lambda face: _example(face, video), batch))
                self._writer.add_examples({split: examples})
                count += len(batch)
        return count

    def finish(self, card: IdentityCard) -> None:
        """Closes the shards, adds the card and gives the folder its name."""
        self._writer.close_all()
        (self._aside / _CARD).write_text(json.dumps(dataclasses.asdict(card), indent=2))
        (self._aside / data_card.NAME).write_text(data_card.markdown(card))
        if self._folder.exists():
            shutil.rmtree(self._folder)
        self._aside.rename(self._folder)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._aside, ignore_errors=True)


def read_card(folder: str | pathlib.Path) -> IdentityCard:
    """The card of a data set.

    Raises:
      InputError: if the folder is none, is of another schema or states no consent.
    """
    path = pathlib.Path(folder) / _CARD
    if not path.is_file():
        raise InputError(f"{folder}: no data set here; make one with `python -m launch.prep`")
    try:
        values = json.loads(path.read_text())
        version, consent = values["schema_version"], values["consent"]
    except (json.JSONDecodeError, KeyError) as error:
        raise InputError(f"{path}: damaged card; prepare the data set again") from error
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{folder}: schema {version}, this version reads {SCHEMA_VERSION}; prepare it again"
        )
    if not consent.strip():
        raise InputError(f"{folder}: states no consent; prepare it again with --consent")
    return IdentityCard(**{
        **values, "videos": tuple(values["videos"]), "models": tuple(values["models"])
    })  # fmt: skip


def read(folder: str | pathlib.Path, split: str) -> Iterator[dict[str, Any]]:
    """The examples of a split in order of time, NumPy arrays by feature name.

    Raises:
      InputError: if the folder is no data set, or a shard is damaged.
    """
    import tensorflow as tf
    import tensorflow_datasets as tfds

    # TensorFlow only reads files here; it would otherwise take all of the GPU's memory.
    tf.config.set_visible_devices([], "GPU")
    read_card(folder)
    builder = tfds.builder_from_directory(str(folder))
    try:
        dataset = builder.as_dataset(
            split=split, read_config=tfds.ReadConfig(interleave_cycle_length=1)
        )
        yield from tfds.as_numpy(dataset)
    except (tf.errors.OpError, OSError) as error:
        message = str(error).splitlines()[0]
        raise InputError(f"{folder}: a shard of '{split}' is damaged ({message})") from error


def _features() -> tfds.features.FeaturesDict:
    import tensorflow_datasets as tfds

    def image(channels: int) -> Any:
        return tfds.features.Image(shape=(CROP_SIZE, CROP_SIZE, channels), encoding_format="png")

    def floats(*shape: int) -> Any:
        return tfds.features.Tensor(shape=shape, dtype=np.float32)

    return tfds.features.FeaturesDict({
        "image": image(3),
        "masks": {name: image(1) for name in MASKS},
        "landmarks": floats(NUM_LANDMARKS, 2),
        "transform": floats(2, 3),
        "box": floats(4),
        "score": np.float32,
        "pose": floats(3),
        "embedding": floats(EMBEDDING_SIZE),
        "sharpness": np.float32,
        "frame_index": np.int64,
        "timestamp_us": np.int64,
        "track_id": np.int64,
        "video": {"name": tfds.features.Text(), "sha256": tfds.features.Text()},
    })  # fmt: skip


def _example(face: AlignedFace, video: dict[str, Any]) -> dict[str, Any]:
    return {
        "image": _png(cv2.cvtColor(face.image, cv2.COLOR_RGB2BGR)),
        "masks": {name: _png(face.masks[name]) for name in MASKS},
        "landmarks": face.landmarks,
        "transform": face.transform,
        "box": face.box,
        "score": np.float32(face.score),
        "pose": face.pose,
        "embedding": face.embedding,
        "sharpness": np.float32(face.sharpness),
        "frame_index": face.frame_index,
        "timestamp_us": face.timestamp_us,
        "track_id": face.track_id,
        "video": {"name": video["name"], "sha256": video["sha256"]},
    }


def _png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image, _PNG)[1].tobytes()
