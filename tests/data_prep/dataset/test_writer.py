"""Data sets written and read back, also by TFDS alone."""

import dataclasses

import numpy as np
import pytest
import tensorflow_datasets as tfds

from data_prep.dataset import identity_card, reader
from data_prep.dataset import writer as writer_lib
from data_prep.errors import InputError
from data_prep.records import AlignedFace

VIDEO = {"name": "clip.mp4", "sha256": "0" * 64, "train": 3, "holdout": 2}


def _face(index: int) -> AlignedFace:
    random = np.random.default_rng(index)
    masks = {n: random.integers(0, 2, (256, 256, 1), np.uint8) * 255 for n in identity_card.MASKS}

    def floats(*shape):
        return random.normal(size=shape).astype(np.float32)

    return AlignedFace(
        image=random.integers(0, 256, (256, 256, 3), np.uint8), masks=masks,
        landmarks=floats(478, 2), transform=floats(2, 3), box=floats(4), score=0.9,
        pose=floats(3), embedding=floats(128), sharpness=3.0, frame_index=index,
        timestamp_us=40_000 * index, track_id=0,
    )  # fmt: skip


def _card(**changes) -> identity_card.IdentityCard:
    card = identity_card.IdentityCard("A", "yes", (VIDEO,), {}, (), "fingerprint")
    return dataclasses.replace(card, **changes)


def _write(folder, file_format="tfrecord", **changes):
    with writer_lib.Writer(folder, "A", "yes", file_format) as writer:
        writer.add("train", (_face(i) for i in range(3)), VIDEO)
        writer.add("holdout", (_face(i) for i in range(10, 12)), VIDEO)
        writer.finish(_card(**changes))
    return folder


def test_tfds_reads_bit_for_bit_what_was_written(tmp_path):
    builder = tfds.builder_from_directory(str(_write(tmp_path / "a")))
    examples = list(tfds.as_numpy(builder.as_dataset(split="train")))
    assert len(examples) == 3 and builder.info.splits["holdout"].num_examples == 2
    for i, example in enumerate(examples):
        expected = _face(i)
        np.testing.assert_array_equal(example["image"], expected.image)
        for name in identity_card.MASKS:
            np.testing.assert_array_equal(example["masks"][name], expected.masks[name])
        for name in ("landmarks", "transform", "box", "pose", "embedding"):
            np.testing.assert_array_equal(example[name], getattr(expected, name))
        assert example["timestamp_us"] == 40_000 * i
        assert example["video"]["name"].decode() == "clip.mp4"


@pytest.mark.parametrize("file_format", identity_card.FORMATS)
def test_the_same_input_gives_the_same_bytes(tmp_path, file_format):
    first, second = (_write(tmp_path / name, file_format) for name in "12")
    names = sorted(path.name for path in first.iterdir())
    assert f"face_identity-train.{file_format}-00000-of-00001" in names
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_array_records_are_read_at_random(tmp_path):
    folder = _write(tmp_path / "a", "array_record")
    source = tfds.builder_from_directory(str(folder)).as_data_source(split="train")
    np.testing.assert_array_equal(source[2]["image"], _face(2).image)
    (example,) = reader.read(folder, "train[1:2]")
    np.testing.assert_array_equal(example["masks"]["eyes"], _face(1).masks["eyes"])
    assert example["frame_index"] == 1 and len(list(reader.read(folder, "train"))) == 3


def test_a_split_without_crops_is_empty(tmp_path):
    with writer_lib.Writer(tmp_path / "a", "A", "yes") as writer:
        writer.add("train", iter([_face(1)]), VIDEO)
        writer.finish(_card())
    assert list(reader.read(tmp_path / "a", "holdout")) == []


def test_shards_of_another_data_set_are_linked_not_copied(tmp_path):
    first = _write(tmp_path / "1")
    (video,) = identity_card.read_card(first).videos
    with writer_lib.Writer(tmp_path / "2", "A", "yes") as writer:
        writer.link(first, video)
        card = writer.finish(_card())
    assert card.videos == (video,)
    for shard in card.shards():
        assert (first / shard["name"]).samefile(tmp_path / "2" / shard["name"])
    assert not reader.verify(tmp_path / "2")


def test_a_failure_leaves_the_old_data_set(tmp_path):
    folder = _write(tmp_path / "a")
    with pytest.raises(RuntimeError), writer_lib.Writer(folder, "A", "yes") as writer:
        writer.add("train", iter([_face(1)]), VIDEO)
        raise RuntimeError
    assert sum(1 for _ in reader.read(folder, "train")) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema_version": "0.1.0"}, "schema 0.1.0.*prepare it again"),
        ({"consent": " "}, "no consent"),
    ],
)
def test_unusable_data_sets_are_refused(tmp_path, changes, words):
    folder = _write(tmp_path / "a", **changes)
    with pytest.raises(InputError, match=words):
        identity_card.read_card(folder)


@pytest.mark.parametrize("file_format", identity_card.FORMATS)
def test_a_damaged_shard_is_named(tmp_path, file_format):
    folder = _write(tmp_path / "a", file_format)
    shard = next(folder.glob("*train*"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)
    assert reader.verify(folder) == {shard.name: "is damaged (SHA-256 differs)"}
    with pytest.raises(InputError, match=f"{shard.name} is damaged"):
        list(reader.read(folder, "train"))
    shard.unlink()
    assert reader.verify(folder) == {shard.name: "is missing"}


def test_no_data_set_no_card(tmp_path):
    with pytest.raises(InputError, match="no data set here"):
        identity_card.read_card(tmp_path)
