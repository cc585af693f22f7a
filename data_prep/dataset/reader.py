"""Reading the examples of a data set, and checking that its shards are whole."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Iterator
from typing import TypedDict

import numpy as np

from data_prep.dataset.identity_card import SPLITS, read_card
from data_prep.errors import InputError
from data_prep.runtime import files


class StoredExample(TypedDict):
    """One crop as the shards hold it; S is `records.CROP_SIZE`.

    Attributes:
      image: `[S, S, 3]` uint8 RGB.
      masks: `face`, `eyes` and `mouth`, each `[S, S, 1]` uint8, 0 or 255.
      landmarks: `[478, 2]` float32, crop pixels.
      transform: `[2, 3]` float32, frame pixels to crop pixels.
      box: `[4]` float32, box of the detector, frame pixels.
      score: confidence of the detector, 0..1.
      pose: `[3]` float32, yaw, pitch and roll, degrees.
      embedding: `[EMBEDDING_SIZE]` float32, identity of the face.
      sharpness: see `sharpness.mean_laplacian`.
      frame_index: index of the frame in its video.
      timestamp_us: time of the frame, microseconds.
      track_id: number of the track in its video.
      video: `name` and `sha256` of the video, as bytes.
    """

    image: np.ndarray
    masks: dict[str, np.ndarray]
    landmarks: np.ndarray
    transform: np.ndarray
    box: np.ndarray
    score: np.float32
    pose: np.ndarray
    embedding: np.ndarray
    sharpness: np.float32
    frame_index: np.int64
    timestamp_us: np.int64
    track_id: np.int64
    video: dict[str, bytes]


def read(folder: str | pathlib.Path, split: str) -> Iterator[StoredExample]:
    """Reads the examples of a split in order of time, as NumPy arrays by feature name.

    Args:
      folder: folder of the data set.
      split: `train` or `holdout`, or parts of them in TFDS notation: `train[10:20]`.

    Raises:
      InputError: if the folder is no data set, or a shard is damaged.
    """
    import tensorflow as tf
    import tensorflow_datasets as tfds

    # TensorFlow only reads files here; otherwise it would take all of the GPU's memory.
    tf.config.set_visible_devices([], "GPU")
    card = read_card(folder)
    builder = tfds.builder_from_directory(str(folder))
    # TFDS lists no split without shards, and would raise.
    if split in SPLITS and split not in builder.info.splits:
        return
    with naming_damage(folder):
        if card.file_format == "array_record":
            yield from builder.as_data_source(split=split)
        else:
            # One shard after the other, which keeps the order of time.
            config = tfds.ReadConfig(interleave_cycle_length=1)
            yield from tfds.as_numpy(builder.as_dataset(split=split, read_config=config))


@contextlib.contextmanager
def naming_damage(folder: str | pathlib.Path) -> Iterator[None]:
    """Turns an error of TensorFlow while a data set is read into one that names damaged shards.

    Raises:
      InputError: instead of what TensorFlow raises.
    """
    import tensorflow as tf

    try:
        yield
    except (tf.errors.OpError, OSError, RuntimeError, ValueError) as error:
        problems = [f"shard {name} {problem}" for name, problem in verify(folder).items()]
        reason = "; ".join(problems) or str(error).splitlines()[0]
        raise InputError(
            f"{folder}: {reason}; repair it by preparing it again from the videos it was made of",
            setting="overwrite",
        ) from error


def verify(
    folder: str | pathlib.Path, progress: Callable[[int], None] | None = None
) -> dict[str, str]:
    """Finds damaged and missing shards of a data set, by file name; empty if all are whole.

    Args:
      folder: folder of the data set.
      progress: called with the number of bytes read since the last call.

    Raises:
      InputError: if the folder is no data set.
    """
    problems = dict[str, str]()
    for shard in read_card(folder).shards():
        path = pathlib.Path(folder) / shard.name
        if not path.is_file():
            problems[shard.name] = "is missing"
        elif files.sha256_of(path) != shard.sha256:
            problems[shard.name] = "is damaged (SHA-256 differs)"
        if progress:
            progress(shard.bytes)
    return problems
