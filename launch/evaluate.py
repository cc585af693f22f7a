"""Measures a swapped video, or a checkpoint on its held-out crops, or compares measurements.

A video: --source --target --swapped. A checkpoint: --checkpoint --a --b. A comparison: --compare.
Beside the figures of --out, FILE.json, stands a page to look at, FILE.html.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from data_prep.errors import InputError
from launch import cli

if TYPE_CHECKING:
    from sagan_jax.evaluation.results import Evaluation

SOURCE = flags.DEFINE_string("source", None, "Data set of the person to be seen.")
TARGET = flags.DEFINE_string("target", None, "Video that was changed.")
SWAPPED = flags.DEFINE_string("swapped", None, "Video that launch.convert made of it.")
TARGET_START = flags.DEFINE_float(
    "target_start", 0.0, "First second of the target that was converted.", lower_bound=0.0
)
TARGET_END = flags.DEFINE_float(
    "target_end", None, "Second at which the conversion stopped; default: the end.",
    lower_bound=0.0,
)  # fmt: skip
GALLERY = flags.DEFINE_list(
    "gallery", [], "Data sets of other people, by commas: among them and the target the source "
    "has to be found (top-1 retrieval of a swapped video).",
)  # fmt: skip
CHECKPOINT = flags.DEFINE_string("checkpoint", None, "Folder of a training (its --workdir).")
A = flags.DEFINE_string("a", None, "Data set of A that it was trained on.")
B = flags.DEFINE_string("b", None, "Data set of B that it was trained on.")
COMPARE = flags.DEFINE_list(
    "compare", [], "Figures that were measured before (--out), by commas, to set side by side."
)
OUT = flags.DEFINE_string(
    "out", None, "JSON file for the figures; the page stands beside it (.html). With --compare "
    "there is only the page, and without --out only what is printed.",
)  # fmt: skip


def main(argv: Sequence[str]) -> None:
    del argv
    if sum(map(bool, (SWAPPED.value, CHECKPOINT.value, COMPARE.value))) != 1:
        raise InputError("give one of --swapped, --checkpoint and --compare")
    out = pathlib.Path(OUT.value) if OUT.value else None
    if out is not None:
        cli.require_writable_folder(out.parent)
    if COMPARE.value:
        _compare(out)
    elif out is None:
        raise InputError("--out is missing: the JSON file for the figures")
    elif CHECKPOINT.value:
        _measure_checkpoint(out)
    else:
        _measure_clip(out)


def _measure_clip(out: pathlib.Path) -> None:
    from data_prep.media.video_reader import Span
    from sagan_jax.evaluation import evaluate_clip, report

    source, target, swapped = (_path(flag) for flag in (SOURCE, TARGET, SWAPPED))
    found, seen = evaluate_clip.evaluate_clip(
        source, target, swapped, Span(TARGET_START.value, TARGET_END.value),
        [pathlib.Path(other) for other in GALLERY.value],
    )  # fmt: skip
    report.write_clip(out.with_suffix(".html"), found, seen)
    _finish(out, found)


def _measure_checkpoint(out: pathlib.Path) -> None:
    from sagan_jax.evaluation import evaluate_checkpoint, report

    found, drawn = evaluate_checkpoint.evaluate_checkpoint(_path(CHECKPOINT), (_path(A), _path(B)))
    report.write_checkpoint(out.with_suffix(".html"), found, drawn)
    _finish(out, found)


def _compare(out: pathlib.Path | None) -> None:
    from sagan_jax.evaluation import comparison, report

    columns = comparison.read([pathlib.Path(path) for path in COMPARE.value])
    print(comparison.markdown(columns))
    if out is not None:
        report.write_comparison(out.with_suffix(".html"), columns)


def _finish(out: pathlib.Path, found: Evaluation) -> None:
    """The figures last: where they are, the page is."""
    from data_prep.dataset.footage_verdict import Verdict
    from sagan_jax.evaluation import comparison

    aside = out.with_name(f".{out.name}.partial")
    aside.write_text(found.to_json())
    aside.replace(out)
    print(comparison.markdown(comparison.of(found)))
    source = found.subject.get("source", {})
    if source.get("footage"):
        print(f"Footage of {source['identity']}: {Verdict(**source['footage']).text}")
    print(out, out.with_suffix(".html"), sep="\n")


def _path(flag: flags.FlagHolder[str | None]) -> pathlib.Path:
    if flag.value is None:
        raise InputError(f"--{flag.name} is missing")
    return pathlib.Path(flag.value)


def run() -> None:
    """Console entry point."""
    cli.run(main)


if __name__ == "__main__":
    run()
