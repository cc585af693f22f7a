"""Examples read back in order, and damaged shards that are named."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from data_prep.dataset import identity_card, reader
from data_prep.dataset.writer import Writer
from data_prep.errors import InputError
from tests.support.data_sets import NOISE_VIDEO, noise_card, noise_crop, write_noise


def test_array_records_are_read_at_random(tmp_path):
    folder = write_noise(tmp_path / "a", "array_record")
    source = tfds.builder_from_directory(str(folder)).as_data_source(split="train")
    np.testing.assert_array_equal(source[2]["image"], noise_crop(2).image)
    (example,) = reader.read(folder, "train[1:2]")
    np.testing.assert_array_equal(example["masks"]["eyes"], noise_crop(1).masks["eyes"])
    assert example["frame_index"] == 1 and len(list(reader.read(folder, "train"))) == 3


def test_a_split_without_crops_is_empty(tmp_path):
    with Writer(tmp_path / "a", "A", "yes") as writer:
        writer.add("train", iter([noise_crop(1)]), NOISE_VIDEO)
        writer.finish(noise_card())
    assert list(reader.read(tmp_path / "a", "holdout")) == []


@pytest.mark.parametrize("file_format", identity_card.FORMATS)
def test_a_damaged_shard_is_named(tmp_path, file_format):
    folder = write_noise(tmp_path / "a", file_format)
    shard = next(folder.glob("*train*"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)
    assert reader.verify(folder) == {shard.name: "is damaged (SHA-256 differs)"}
    with pytest.raises(InputError, match=f"{shard.name} is damaged") as caught:
        list(reader.read(folder, "train"))
    assert caught.value.setting == "overwrite"
    shard.unlink()
    assert reader.verify(folder) == {shard.name: "is missing"}


def test_progress_of_a_verification_is_in_bytes(tmp_path):
    folder, read = write_noise(tmp_path / "a"), []
    assert reader.verify(folder, read.append) == {}
    assert sum(read) == sum(path.stat().st_size for path in folder.glob("*tfrecord*"))
