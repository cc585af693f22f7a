"""Measures swapped videos: identity, expression, steadiness, sharpness, what was left alone."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from absl import flags

from launch import cli

SOURCE = flags.DEFINE_string("source", None, "Data set of the person to be seen.", required=True)
TARGET = flags.DEFINE_string("target", None, "Video that was changed.", required=True)
SWAPPED = flags.DEFINE_string(
    "swapped", None, "Video that launch.convert made of it.", required=True
)
OUT = flags.DEFINE_string("out", None, "JSON file for the figures.", required=True)
TARGET_START = flags.DEFINE_float(
    "target_start", 0.0, "First second of the target that was converted.", lower_bound=0.0
)
TARGET_END = flags.DEFINE_float(
    "target_end", None, "Second at which the conversion stopped; default: the end.",
    lower_bound=0.0,
)  # fmt: skip


def main(argv: Sequence[str]) -> None:
    import dataclasses
    import json

    from data_prep.video import Span
    from sagan_jax import evaluate

    del argv
    out = pathlib.Path(OUT.value)
    cli.require_writable_folder(out.parent)
    figures = evaluate.evaluate_clip(
        pathlib.Path(SOURCE.value),
        pathlib.Path(TARGET.value),
        pathlib.Path(SWAPPED.value),
        Span(TARGET_START.value, TARGET_END.value),
    )
    values = dataclasses.asdict(figures)
    aside = out.with_name(f".{out.name}.partial")
    aside.write_text(json.dumps(values, indent=2))
    aside.replace(out)
    for name, value in values.items():
        if isinstance(value, (int, float)):
            print(
                f"{name:>20}  {value:.3f}" if isinstance(value, float) else f"{name:>20}  {value}"
            )


def run() -> None:
    """Console entry point."""
    cli.run(main)


if __name__ == "__main__":
    run()
