"""The demo, shrunken, on the real clips; its outputs are checked by what is in them."""

import json
import os
import pathlib
import re
import subprocess
import sys

import av
import cv2
import jax
import numpy as np
import pytest

from data_prep.imaging.boxes import mesh_box
from data_prep.media import video_reader
from data_prep.pipeline import faces
from sagan_jax.provenance import manifest
from sagan_jax.rendering.swapper import Swapper
from tests.support import ROOT

_SECONDS = 6.0
_PROMISED = (
    "swapped.mp4",
    "swapped_reverse.mp4",
    "side_by_side.mp4",
    "report.html",
    "metrics.json",
    "contact_sheet.png",
    "contact_sheet_reverse.png",
    "swapped.metrics.html",
)
# Programs start as a user starts them: with the real devices, not the virtual ones of unit tests.
_ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "JAX_NUM_CPU_DEVICES"}


def _demo(out: pathlib.Path) -> str:
    result = _program("demo", f"--out={out}", f"--seconds={_SECONDS}", "--images=1600")
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def demo(samples, tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    _demo(out)
    return out


@pytest.fixture(scope="module")
def pairs(demo, samples):
    target = video_reader.read_frames(
        samples / "cap13_edit2.mp4", video_reader.Span(end_s=_SECONDS)
    )
    return list(zip(target, video_reader.read_frames(demo / "swapped.mp4"), strict=True))


def test_everything_promised_is_there(demo):
    for name in _PROMISED:
        assert (demo / name).stat().st_size > 1000
    report = (demo / "report.html").read_text()
    assert "synthetic" in report and not re.findall(r'(?:src|href)="(?!data:|#)', report)


def test_frames_size_and_times_are_those_of_the_target(demo, pairs, samples):
    assert len(pairs) == 150
    assert all(a.timestamp_us == b.timestamp_us for a, b in pairs)
    target, swapped = (
        video_reader.probe(p) for p in (samples / "cap13_edit2.mp4", demo / "swapped.mp4")
    )
    assert (swapped.width, swapped.height) == (target.width, target.height)
    beside = video_reader.probe(demo / "side_by_side.mp4")
    assert (beside.width, beside.height, beside.frames) == (3 * target.width, target.height, 150)


def test_the_face_changes_and_the_rest_does_not(pairs, samples):
    analysis = faces.analyse(samples / "cap13_edit2.mp4", span=video_reader.Span(end_s=_SECONDS))
    (track,) = analysis.people[0].tracks
    assert len(track.faces) == 150
    for face, (before, after) in list(zip(track.faces, pairs, strict=True))[::10]:
        left, top, right, bottom = mesh_box(face.landmarks).round().astype(int)
        away = np.ones(before.image.shape[:2], bool)
        away[max(top - 20, 0) : bottom + 20, max(left - 20, 0) : right + 20] = False
        difference = before.image.astype(float) - after.image
        assert 10 * np.log10(255**2 / np.square(difference[away]).mean()) > 40
        middle = difference[(top + bottom) // 2 - 15 :, (left + right) // 2 - 15 :][:30, :30]
        assert np.abs(middle).mean() > 4


def test_figures_are_measured_and_in_range(demo):
    clips = json.loads((demo / "metrics.json").read_text())["clips"]
    for clip in clips.values():
        assert clip["frames"] == 150 and clip["measured"] >= 140
        assert clip["background_psnr"] > 40
        assert 0 < clip["sharpness"] < 2 and 0 < clip["expression_error"] < 20
        assert clip["ceiling"] > clip["baseline"]


def test_the_video_states_that_it_is_synthetic(demo):
    with av.open(str(demo / "swapped.mp4")) as container:
        assert "AI-generated" in container.metadata["comment"]
    record = json.loads((demo / "swapped.json").read_text())
    assert record["synthetic"] and record["swapped"] == 150
    assert all(identity["consent"] for identity in record["identities"])


def _program(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"launch.{name}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=_ENVIRONMENT)


def test_the_verifier_finds_every_mark(demo):
    answer = _program("verify", "--json", demo / "swapped.mp4", demo / "side_by_side.mp4")
    assert answer.returncode == 0, answer.stdout
    payload = int(json.loads((demo / "swapped.json").read_text())["watermark"], 16)
    for line in answer.stdout.splitlines():
        report = json.loads(line)
        assert report["verdict"] == "marked" and report["watermark"]["payload"] == payload
    sheet = _program("verify", demo / "contact_sheet.png")
    assert sheet.returncode == 0 and "Sample footage" in sheet.stdout


def test_the_verifier_reports_when_there_is_no_mark(samples):
    answer = _program("verify", samples / "single_face.mp4")
    assert answer.returncode == 5 and "no mark found" in answer.stdout
    assert _program("verify").returncode == 1


def test_marks_are_left_out_only_by_who_answers_for_it(demo, samples, tmp_path):
    clip, out = samples / "single_face.mp4", tmp_path / "out.mp4"
    refused = _convert(demo, clip, out, "--end=0.5", "--provenance=none")
    assert refused.returncode == 1 and "i_accept_responsibility" in refused.stderr
    unmarked = "--provenance=none", "--i_accept_responsibility_for_labelling"
    accepted = _convert(demo, clip, out, "--end=0.5", "--who=largest", *unmarked)
    assert accepted.returncode == 0 and "NOT MARKED" in accepted.stdout
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["marking"]["labelling_responsibility_accepted"] and record["watermark"] is None


def test_cards_name_the_consent(demo):
    for card in (demo / "a" / "README.md", demo / "model" / "MODEL_CARD.md"):
        assert "Sample footage" in card.read_text()
    assert json.loads((demo / "model" / "model_card.json").read_text())["images"] == 1600


def test_a_person_can_be_forgotten(demo):
    answer = _program("forget", "--identity=A", f"--root={demo}", "--dry_run")
    assert answer.returncode == 0
    assert f"{demo / 'a'}: data set would be removed" in answer.stdout
    assert f"{demo / 'model'}: model would be removed" in answer.stdout
    assert f"{demo / 'swapped.json'}: is of a video" in answer.stdout
    assert (demo / "a" / "card.json").exists()


def test_run_again_it_finds_its_work_done(demo):
    before = (demo / "swapped.mp4").stat().st_mtime_ns
    answer = _demo(demo)
    assert answer.count("already prepared") == 2 and "is there, made by this model" in answer
    assert (demo / "swapped.mp4").stat().st_mtime_ns == before


def _convert(demo: pathlib.Path, clip: pathlib.Path | str, out: pathlib.Path, *more: str):
    wanted = f"--checkpoint={demo / 'model'}", f"--video={clip}", "--to=a", f"--out={out}"
    return _program("convert", *wanted, *more)


def _audio(path: pathlib.Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(container.streams.audio[0]) if p.size]


def test_audio_is_copied(demo, samples, tmp_path):
    clip = samples / "WolfgangLanger_Pexels.mp4"
    out = tmp_path / "out.mp4"
    assert _convert(demo, clip, out, "--end=2", "--who=largest").returncode == 0
    copied, original = _audio(out), _audio(clip)
    assert 80 < len(copied) < 100 and copied == original[: len(copied)]


def test_outputs_and_inputs_are_never_overwritten(demo, samples, tmp_path):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes((samples / "single_face.mp4").read_bytes())
    again = _convert(demo, clip, demo / "swapped.mp4")
    assert again.returncode == 1 and "exists and is of another conversion" in again.stderr
    assert "(--force)" in again.stderr
    itself = _convert(demo, clip, clip, "--force")
    assert itself.returncode == 1 and "is the input itself" in itself.stderr
    assert "(--out)" in itself.stderr


def test_of_several_files_a_bad_one_is_reported_and_the_rest_goes_on(demo, samples, tmp_path):
    """Previews, which are quick: a clip of B, one without B, and a file that is no video."""
    (tmp_path / "bad.mp4").write_text("no video")
    several = f"{samples / 'cap13_edit2.mp4'},{samples / 'single_face.mp4'},{tmp_path / '*.mp4'}"
    result = _convert(demo, several, tmp_path / "out", "--preview=2")
    assert result.returncode == 3 and "1 of 3 files converted" in result.stdout
    assert "bad.mp4: not a video" in result.stderr
    assert "is the person the model was trained on: give a video of that person" in result.stderr
    (preview,) = (tmp_path / "out").iterdir()
    assert preview.name == "cap13_edit2.preview.png"
    found = manifest.read(preview)
    assert found.state is manifest.State.VALID and found.synthetic
    assert found.statement["rendered"] == "A"


def test_contact_sheet_shows_eight_pairs(demo):
    sheet = cv2.imread(str(demo / "contact_sheet.png"))
    assert sheet.shape[0] == 440 and sheet.shape[1] == pytest.approx(8 * 293, abs=16)


def test_devices_share_what_is_rendered(demo):
    crops = np.random.default_rng(0).integers(0, 256, (19, 256, 256, 3), np.uint8)
    guides = np.full((19, 256, 256, 3), 255, np.uint8)
    light = np.full((19, 3), 0.5, np.float32), np.full((19, 3), 0.2, np.float32)
    alone = Swapper(demo / "model", 0)(crops, guides, *light)
    shared = Swapper(demo / "model", 0, devices=jax.devices())(crops, guides, *light)
    assert len(jax.devices()) == 4
    for one, other in zip(alone, shared, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
