"""Aligned faces to a TFDS data set, and back: one folder, one identity.

The folder is read by anyone with `tfds.builder_from_directory(folder)`. TensorFlow and TFDS
are imported where they are used: they take seconds, and a wrong flag should not wait.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from data_prep.dataset import dataset_card
from data_prep.records import (
    CROP_SIZE,
    EMBEDDING_SIZE,
    NUM_LANDMARKS,
    AlignedFace,
)
from data_prep.runtime import files, prefetch

if TYPE_CHECKING:
    import tensorflow_datasets as tfds
from data_prep.dataset.identity_card import CARD, FORMATS, MASKS, SPLITS, IdentityCard

_NAME = "face_identity"
_SHARD_EXAMPLES = 512
# Runs suit what is left of both pictures and masks better than zlib's default strategy.
_PNG = [
    cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE,
]  # fmt: skip
# One filter for all rows, where libpng would try five for each. Against that, of 60 crops of three
# people and their masks: a crop takes 1.95 instead of 2.83 ms to write and 1.1 instead of 2.2 to
# read and is a tenth larger, a mask takes 0.09 instead of 0.38 ms and is a fifth smaller.
_PICTURE_FILTER, _MASK_FILTER = cv2.IMWRITE_PNG_FILTER_UP, cv2.IMWRITE_PNG_FILTER_NONE


class Writer:
    """Writes a data set aside and puts it in its place when it is whole.

    A context manager; if the block fails, what was in the folder before stays. No shard holds
    crops of two videos, so that it can be used again when a video is added.

    Args:
      folder: the data set.
      identity: name of the person.
      consent: statement of consent.
      file_format: of the shards, one of `FORMATS`.
    """

    def __init__(
        self, folder: pathlib.Path, identity: str, consent: str, file_format: str = FORMATS[0]
    ):
        self._folder, self._aside = folder, _aside(folder)
        self._file_format = file_format
        self._shards: dict[str, dict[str, list[dict[str, Any]]]] = {}
        shutil.rmtree(self._aside, ignore_errors=True)
        self._aside.mkdir(parents=True)
        # Whose crops these are is known from the first one on; the whole card comes last.
        (self._aside / CARD).write_text(json.dumps({"identity": identity, "consent": consent}))

    def add(self, split: str, faces: Iterable[AlignedFace], video: dict[str, Any]) -> int:
        """Writes the crops of one split of one video; returns their number."""
        shards = self._shards_of(video)[split]
        examples = _serialised(prefetch.map_ahead(lambda face: _example(face, video), faces))
        while records := list(itertools.islice(examples, _SHARD_EXAMPLES)):
            path = self._aside / f"{video['sha256']}-{split}-{len(shards):05d}"
            shards.append(_write_shard(path, records, self._file_format))
        return sum(shard["examples"] for shard in shards)

    def link(self, folder: pathlib.Path, video: dict[str, Any]) -> None:
        """Takes over the shards of a video from another data set of the same format.

        Args:
          folder: the other data set; it keeps them.
          video: from its card.
        """
        for split in SPLITS:
            for shard in video["shards"][split]:
                name = f"{video['sha256']}-{shard['name']}"
                _link(folder / shard["name"], self._aside / name)
                self._shards_of(video)[split].append(shard | {"name": name})

    def finish(
        self, card: IdentityCard, seal: Callable[[pathlib.Path], object] | None = None
    ) -> IdentityCard:
        """Adds card and metadata and gives the folder its name.

        Args:
          card: of the data set; its videos set the order of the shards.
          seal: what is done to the whole folder before it gets its name.

        Returns:
          the card, with the shards of every video.
        """
        videos = self._name_shards(card.videos)
        card = dataclasses.replace(card, videos=videos, file_format=self._file_format)
        _write_metadata(self._aside, card)
        (self._aside / CARD).write_text(json.dumps(dataclasses.asdict(card), indent=2))
        (self._aside / dataset_card.NAME).write_text(dataset_card.markdown(card))
        if seal:
            seal(self._aside)
        if self._folder.exists():
            self._folder.rename(_replaced(self._folder))
        self._aside.rename(self._folder)
        shutil.rmtree(_replaced(self._folder), ignore_errors=True)
        return card

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._aside, ignore_errors=True)

    def _shards_of(self, video: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
        return self._shards.setdefault(video["sha256"], {split: [] for split in SPLITS})

    def _name_shards(self, videos: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
        """Gives the shards the names TFDS expects; returns the videos with them."""
        named = [video | {"shards": self._shards_of(video)} for video in videos]
        for split in SPLITS:
            shards = [shard for video in named for shard in video["shards"][split]]
            for index, shard in enumerate(shards):
                name = f"{_NAME}-{split}.{self._file_format}-{index:05d}-of-{len(shards):05d}"
                (self._aside / shard["name"]).rename(self._aside / name)
                shard["name"] = name
        return tuple(named)


def recover(folder: pathlib.Path) -> None:
    """Finishes or undoes a replacement of a data set that was cut short."""
    if _replaced(folder).exists() and not folder.exists():
        _replaced(folder).rename(folder)
    shutil.rmtree(_replaced(folder), ignore_errors=True)


def _aside(folder: pathlib.Path) -> pathlib.Path:
    return folder.with_name(f".{folder.name}.partial")


def _replaced(folder: pathlib.Path) -> pathlib.Path:
    return folder.with_name(f".{folder.name}.replaced")


def _link(path: pathlib.Path, other: pathlib.Path) -> None:
    try:
        os.link(path, other)
    except OSError:  # not every file system knows a second name for a file
        shutil.copyfile(path, other)


def _serialised(examples: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    from tensorflow_datasets.core import example_serializer

    features = _features()
    serializer = example_serializer.ExampleSerializer(features.get_serialized_info())
    for example in examples:
        record = serializer.get_tf_example(features.encode_example(example))
        # Or else the features are in an order that differs from process to process.
        yield record.SerializeToString(deterministic=True)


def _write_shard(path: pathlib.Path, records: list[bytes], file_format: str) -> dict[str, Any]:
    from tensorflow_datasets.core import file_adapters

    adapter = file_adapters.ADAPTER_FOR_FORMAT[file_adapters.FileFormat(file_format)]
    adapter.write_examples(path, enumerate(records))
    return {
        "name": path.name,
        "examples": len(records),
        "bytes": path.stat().st_size,
        "sha256": files.sha256_of(path),
    }


def _write_metadata(folder: pathlib.Path, card: IdentityCard) -> None:
    import tensorflow_datasets as tfds

    splits = []
    for split in SPLITS:
        shards = [shard for video in card.videos for shard in video["shards"][split]]
        lengths, size = [s["examples"] for s in shards], sum(s["bytes"] for s in shards)
        if shards:
            splits.append(tfds.core.SplitInfo(split, lengths, size))
    tfds.folder_dataset.write_metadata(
        data_dir=folder, features=_features(), split_infos=splits, version=card.schema_version,
        description=dataset_card.description(card), check_data=False,
    )  # fmt: skip


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
        "image": _png(cv2.cvtColor(face.image, cv2.COLOR_RGB2BGR), _PICTURE_FILTER),
        "masks": {name: _png(face.masks[name], _MASK_FILTER) for name in MASKS},
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


def _png(image: np.ndarray, row_filter: int) -> bytes:
    return cv2.imencode(".png", image, [*_PNG, cv2.IMWRITE_PNG_FILTER, row_filter])[1].tobytes()
