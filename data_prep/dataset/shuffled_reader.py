"""The training crops of a data set in random order, without end, read as they are needed."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from data_prep.dataset import identity_card, reader
from data_prep.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

# Records, some 100 KB each, among which the next is drawn; they come from so many shards.
_AMONG = 2048
_SHARDS = 16


def read(folder: str | pathlib.Path, seed: int, start: int = 0) -> Iterator[dict[str, Any]]:
    """Every crop once in an order of its own, then all again in another, by `tf.data`.

    The order depends on the seed alone: to go on where one left off, start there. What lies
    before is read but not decoded.

    Args:
      folder: the data set, in TFRecord.
      seed: of the order.
      start: how many crops to leave out, of all that ever come.

    Yields:
      `image`, `masks`, `pose` and `landmarks` of an example, as `shards.read` has them.

    Raises:
      InputError: if the folder is no data set, it has no training crops or is of another
        format, or a shard is damaged.
    """
    import tensorflow as tf
    import tensorflow_datasets as tfds

    # TensorFlow only reads files here; it would otherwise take all of the GPU's memory.
    tf.config.set_visible_devices([], "GPU")
    card = identity_card.read_card(folder)
    if card.file_format != "tfrecord":
        raise InputError(
            f"{folder}: is in {card.file_format}, and only TFRecord is streamed; prepare it with "
            "--format=tfrecord, or train with --data=resident"
        )
    if not card.count("train"):
        raise InputError(f"{folder}: the split 'train' is empty; prepare a longer video")
    builder = tfds.builder_from_directory(str(folder))
    first, before = divmod(start, card.count("train"))
    with reader.damage_named(folder):
        for epoch in itertools.count(first):
            examples = _epoch(builder, seed, epoch).skip(before)
            yield from tfds.as_numpy(examples.map(_decoded, tf.data.AUTOTUNE).prefetch(_SHARDS))
            before = 0


def _epoch(builder: Any, seed: int, epoch: int) -> tf.data.Dataset:
    """All crops, pictures still as PNG."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    (order,) = np.random.SeedSequence([seed, epoch]).generate_state(1)
    options = tf.data.Options()
    options.deterministic = True
    masks = dict.fromkeys(identity_card.MASKS, True)
    wanted = {"image": True, "masks": masks, "pose": True, "landmarks": True}
    left = tfds.decode.SkipDecoding
    examples = builder.as_dataset(
        split="train",
        shuffle_files=True,
        decoders=tfds.decode.PartialDecoding(
            wanted, {"image": left(), "masks": dict.fromkeys(identity_card.MASKS, left())}
        ),
        read_config=tfds.ReadConfig(
            options=options, shuffle_seed=int(order), interleave_cycle_length=_SHARDS,
            interleave_block_length=1, skip_prefetch=True,
        ),
    )  # fmt: skip
    return examples.shuffle(_AMONG, seed=int(order))


def _decoded(example: dict[str, Any]) -> dict[str, Any]:
    import tensorflow as tf

    masks = {name: tf.io.decode_png(png, 1) for name, png in example["masks"].items()}
    return example | {"image": tf.io.decode_png(example["image"], 3), "masks": masks}
