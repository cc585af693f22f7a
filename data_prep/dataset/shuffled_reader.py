"""Reading the training crops of a data set in random order, without end, as they are needed."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from data_prep.dataset import identity_card, reader
from data_prep.dataset.reader import StoredExample
from data_prep.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

# Size of the shuffle buffer, records of some 100 KB, and number of shards it is filled from.
_BUFFER = 2048
_SHARDS = 16


def read(folder: str | pathlib.Path, seed: int, start: int = 0) -> Iterator[StoredExample]:
    """Reads every training crop once in random order, then all again in another order, and so on.

    The order depends on the seed alone, so a stopped training continues by starting at the number
    of crops it had read. Skipped crops are read from disk but not decoded.

    Args:
      folder: folder of the data set, in TFRecord.
      seed: seed of the order.
      start: number of crops to skip.

    Yields:
      `image`, `masks`, `pose` and `landmarks` of an example, as in `reader.read`.

    Raises:
      InputError: if the folder is no data set, it has no training crops or is of another
        format, or a shard is damaged.
    """
    import tensorflow as tf
    import tensorflow_datasets as tfds

    # TensorFlow only reads files here; otherwise it would take all of the GPU's memory.
    tf.config.set_visible_devices([], "GPU")
    card = identity_card.read_card(folder)
    if card.file_format != "tfrecord":
        raise InputError(
            f"{folder}: is in {card.file_format}, and only TFRecord is streamed; prepare it in "
            "TFRecord, or train with all crops on the device (data=resident)",
            setting="data",
        )
    if not card.count("train"):
        raise InputError(f"{folder}: the split 'train' is empty; prepare a longer video")
    builder = tfds.builder_from_directory(str(folder))
    first, before = divmod(start, card.count("train"))
    with reader.naming_damage(folder):
        # Each epoch is shuffled by itself, so that the order at `start` needs none before it.
        for epoch in itertools.count(first):
            examples = _epoch(builder, seed, epoch).skip(before)
            yield from tfds.as_numpy(examples.map(_decoded, tf.data.AUTOTUNE).prefetch(_SHARDS))
            before = 0


def _epoch(builder: Any, seed: int, epoch: int) -> tf.data.Dataset:
    """Returns all crops in the order of one epoch, images still as PNG."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    (order,) = np.random.SeedSequence([seed, epoch]).generate_state(1)
    # Threads must not decide which of two shards delivers first.
    options = tf.data.Options()
    options.deterministic = True
    masks = dict.fromkeys(identity_card.MASKS, True)
    wanted = {"image": True, "masks": masks, "pose": True, "landmarks": True}
    # PNGs are decoded after shuffling: they take a tenth of the memory in the buffer.
    skip = tfds.decode.SkipDecoding
    undecoded = {"image": skip(), "masks": dict.fromkeys(identity_card.MASKS, skip())}
    examples = builder.as_dataset(
        split="train",
        shuffle_files=True,
        decoders=tfds.decode.PartialDecoding(wanted, undecoded),
        read_config=tfds.ReadConfig(
            options=options,
            shuffle_seed=int(order),
            interleave_cycle_length=_SHARDS,
            interleave_block_length=1,
            skip_prefetch=True,
        ),
    )
    return examples.shuffle(_BUFFER, seed=int(order))


def _decoded(example: dict[str, Any]) -> dict[str, Any]:
    import tensorflow as tf

    masks = {name: tf.io.decode_png(png, 1) for name, png in example["masks"].items()}
    return example | {"image": tf.io.decode_png(example["image"], 3), "masks": masks}
