"""Data sets written, replaced and linked, also as TFDS alone reads them."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from data_prep.dataset import identity_card, reader
from data_prep.dataset import writer as dataset_writer
from tests.support.data_sets import NOISE_VIDEO, noise_card, noise_crop, write_noise


def test_tfds_reads_bit_for_bit_what_was_written(tmp_path):
    builder = tfds.builder_from_directory(str(write_noise(tmp_path / "a")))
    examples = list(tfds.as_numpy(builder.as_dataset(split="train")))
    assert len(examples) == 3 and builder.info.splits["holdout"].num_examples == 2
    for i, example in enumerate(examples):
        expected = noise_crop(i)
        np.testing.assert_array_equal(example["image"], expected.image)
        for name in identity_card.MASKS:
            np.testing.assert_array_equal(example["masks"][name], expected.masks[name])
        for name in ("landmarks", "transform", "box", "pose", "embedding"):
            np.testing.assert_array_equal(example[name], getattr(expected, name))
        assert example["timestamp_us"] == 40_000 * i
        assert example["video"]["name"].decode() == "clip.mp4"


@pytest.mark.parametrize("file_format", identity_card.FORMATS)
def test_the_same_input_gives_the_same_bytes(tmp_path, file_format):
    first, second = (write_noise(tmp_path / name, file_format) for name in "12")
    names = sorted(path.name for path in first.iterdir())
    assert f"face_identity-train.{file_format}-00000-of-00001" in names
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_shards_of_another_data_set_are_linked_not_copied(tmp_path):
    first = write_noise(tmp_path / "1")
    (video,) = identity_card.read_card(first).videos
    with dataset_writer.Writer(tmp_path / "2", "A", "yes") as writer:
        writer.link(first, video)
        card = writer.finish(noise_card())
    assert card.videos == (video,)
    for shard in card.shards():
        assert (first / shard.name).samefile(tmp_path / "2" / shard.name)
    assert not reader.verify(tmp_path / "2")


def test_the_card_that_is_returned_is_the_one_on_disk(tmp_path):
    with dataset_writer.Writer(tmp_path / "a", "A", "yes") as writer:
        writer.add("train", iter([noise_crop(1)]), NOISE_VIDEO)
        card = writer.finish(noise_card())
    assert identity_card.read_card(tmp_path / "a") == card
    (shard,) = card.shards()
    assert shard.examples == 1 and shard.bytes == (tmp_path / "a" / shard.name).stat().st_size


def test_a_failure_leaves_the_old_data_set(tmp_path):
    folder = write_noise(tmp_path / "a")
    with pytest.raises(RuntimeError), dataset_writer.Writer(folder, "A", "yes") as writer:
        writer.add("train", iter([noise_crop(1)]), NOISE_VIDEO)
        raise RuntimeError
    assert sum(1 for _ in reader.read(folder, "train")) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_unfinished_folder_names_its_person(tmp_path):
    with dataset_writer.Writer(tmp_path / "a", "A", "yes"):
        (unfinished,) = tmp_path.iterdir()
        assert identity_card.name_in(unfinished) == "A"


def test_a_replacement_that_was_cut_short_is_undone(tmp_path):
    (tmp_path / ".b.replaced").mkdir()
    dataset_writer.recover(tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_replacement_that_was_made_is_finished(tmp_path):
    for name in ("b", ".b.replaced"):
        (tmp_path / name).mkdir()
    (tmp_path / "b" / "new").touch()
    dataset_writer.recover(tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert (tmp_path / "b" / "new").exists()
