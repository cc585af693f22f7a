"""Measures a swapped video, or a checkpoint on its held-out crops, or compares measurements.

A video takes --source, --target and --swapped; a checkpoint --checkpoint, --a and --b; a comparison
--compare. Metrics are written to --out, FILE.json, and a page to look at beside it, FILE.html.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from data_prep.errors import InputError
from data_prep.media.video_reader import WHOLE
from launch import cli

if TYPE_CHECKING:
    from sagan_jax.evaluation.results import Evaluation

SOURCE = flags.DEFINE_string(
    "source", None, "Measure against the data set of the person who is rendered."
)
TARGET = flags.DEFINE_string("target", None, "Compare with this video, which was converted.")
SWAPPED = flags.DEFINE_string(
    "swapped", None, "Measure this video, which launch.convert made of the target."
)
TARGET_START = flags.DEFINE_float(
    "target_start",
    WHOLE.start_s,
    "Begin at this second of the target, where the conversion began.",
    0.0,
)
TARGET_END = flags.DEFINE_float(
    "target_end", WHOLE.end_s, "Stop at this second of the target; default: the end.", 0.0
)
GALLERY = flags.DEFINE_list(
    "gallery",
    [],
    "Find the source among the people of these data sets, separated by commas, and the target "
    "(top-1 retrieval of a swapped video).",
)
CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "Measure the newest checkpoint of this training folder."
)
A = flags.DEFINE_string("a", None, "Use this data set of A, on which the model was trained.")
B = flags.DEFINE_string("b", None, "Use this data set of B, on which the model was trained.")
COMPARE = flags.DEFINE_list(
    "compare", [], "Compare these JSON files of earlier measurements, separated by commas."
)
OUT = flags.DEFINE_string(
    "out",
    None,
    "Write the metrics to this JSON file and a page beside it (.html). With --compare only the "
    "page is written; without --out the comparison is only printed.",
)


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
        raise InputError("--out is missing: the JSON file for the metrics")
    elif CHECKPOINT.value:
        _measure_checkpoint(out)
    else:
        _measure_clip(out)


def _measure_clip(out: pathlib.Path) -> None:
    from data_prep.media.video_reader import Span
    from sagan_jax.evaluation import evaluate_clip, report

    source, target, swapped = (_path(flag) for flag in (SOURCE, TARGET, SWAPPED))
    span = Span(TARGET_START.value, TARGET_END.value)
    others = [pathlib.Path(other) for other in GALLERY.value]
    found, seen = evaluate_clip.evaluate_clip(source, target, swapped, span, others)
    report.write_clip(out.with_suffix(".html"), found, seen)
    _finish(out, found)


def _measure_checkpoint(out: pathlib.Path) -> None:
    from sagan_jax.evaluation import evaluate_checkpoint, report

    found, generated = evaluate_checkpoint.evaluate_checkpoint(
        _path(CHECKPOINT), (_path(A), _path(B))
    )
    report.write_checkpoint(out.with_suffix(".html"), found, generated)
    _finish(out, found)


def _compare(out: pathlib.Path | None) -> None:
    from sagan_jax.evaluation import comparison, report

    columns = comparison.read([pathlib.Path(path) for path in COMPARE.value])
    print(comparison.markdown(columns))
    if out is not None:
        report.write_comparison(out.with_suffix(".html"), columns)


def _finish(out: pathlib.Path, found: Evaluation) -> None:
    """Writes and prints the metrics; last, so that a file of metrics always has its page."""
    from data_prep import json_records
    from data_prep.dataset.footage_verdict import Verdict
    from data_prep.runtime.files import write_atomically
    from sagan_jax.evaluation import comparison

    with write_atomically(out) as aside:
        aside.write_text(found.to_json())
    print(comparison.markdown(comparison.columns_of(found)))
    source = found.subject.get("source", {})
    if source.get("footage"):
        verdict = json_records.from_json(Verdict, source["footage"])
        print(f"Footage of {source['identity']}: {verdict.text}")
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
