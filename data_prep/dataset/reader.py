"""Examples of a data set, and whether its shards are whole."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from data_prep.errors import InputError
from data_prep.runtime import files

if TYPE_CHECKING:
    pass
from data_prep.dataset.identity_card import SPLITS, read_card


def read(folder: str | pathlib.Path, split: str) -> Iterator[dict[str, Any]]:
    """The examples of a split in order of time, NumPy arrays by feature name.

    Args:
      folder: the data set.
      split: `train` or `holdout`, or parts of them as TFDS writes it: `train[10:20]`.

    Raises:
      InputError: if the folder is no data set, or a shard is damaged.
    """
    import tensorflow as tf
    import tensorflow_datasets as tfds

    # TensorFlow only reads files here; it would otherwise take all of the GPU's memory.
    tf.config.set_visible_devices([], "GPU")
    card = read_card(folder)
    builder = tfds.builder_from_directory(str(folder))
    if split in SPLITS and split not in builder.info.splits:
        return
    with damage_named(folder):
        if card.file_format == "array_record":
            yield from builder.as_data_source(split=split)
        else:
            config = tfds.ReadConfig(interleave_cycle_length=1)
            yield from tfds.as_numpy(builder.as_dataset(split=split, read_config=config))


@contextlib.contextmanager
def damage_named(folder: str | pathlib.Path) -> Iterator[None]:
    """Says which shard it was, where reading a data set fails.

    Raises:
      InputError: instead of what TensorFlow raises.
    """
    import tensorflow as tf

    try:
        yield
    except (tf.errors.OpError, OSError, RuntimeError, ValueError) as error:
        problems = [f"shard {name} {problem}" for name, problem in verify(folder).items()]
        raise InputError(
            f"{folder}: {'; '.join(problems) or str(error).splitlines()[0]}; repair it with "
            "`python -m launch.prep --overwrite` and the videos it was made of"
        ) from error


def verify(
    folder: str | pathlib.Path, progress: Callable[[int], None] | None = None
) -> dict[str, str]:
    """What is wrong with the shards of a data set, by name; nothing if all are whole.

    Args:
      folder: the data set.
      progress: called with the number of bytes read since the last call.

    Raises:
      InputError: if the folder is no data set.
    """
    problems = {}
    for shard in read_card(folder).shards():
        path = pathlib.Path(folder) / shard["name"]
        if not path.is_file():
            problems[shard["name"]] = "is missing"
        elif files.sha256_of(path) != shard["sha256"]:
            problems[shard["name"]] = "is damaged (SHA-256 differs)"
        if progress:
            progress(shard["bytes"])
    return problems
