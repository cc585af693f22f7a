"""Writes measured tables into the pages of the documentation, so that none is typed by hand.

Between `<!-- table: NAME -->` and `<!-- end of table -->` a page shows what `RESULTS/NAME.json`
says, as `launch.benchmark --json` wrote it, or the demo as its `benchmark.json`. The table
`figures` explains the metrics of an evaluation and is not measured. Measure again, run this, and
look at the difference.
"""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from data_prep.errors import InputError
from data_prep.runtime.files import write_atomically
from launch import cli

if TYPE_CHECKING:
    from launch.benchmarks.harness import Table

PAGES = flags.DEFINE_string("pages", "docs", "Fill the tables of the pages in this folder.")
RESULTS = flags.DEFINE_string("results", "benchmarks", "Read the measurements in this folder.")

_PLACE = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def main(argv: Sequence[str]) -> None:
    del argv
    folder = pathlib.Path(PAGES.value)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give --pages")
    for path in sorted(folder.rglob("*.md")):
        before = path.read_text()
        after = filled(before, pathlib.Path(RESULTS.value))
        if after != before:
            with write_atomically(path) as aside:
                aside.write_text(after)
            print(f"{path}: tables are new")


def filled(text: str, results: pathlib.Path) -> str:
    """The text with every table as it was measured.

    Args:
      text: with places for tables.
      results: folder of the measurements.

    Raises:
      InputError: if one of them is missing or cannot be read.
    """
    return _PLACE.sub(lambda place: place[1] + content(results, place[2]) + place[3], text)


def content(results: pathlib.Path, name: str) -> str:
    """Markdown of one place.

    Raises:
      InputError: if it was not measured, or by another version.
    """
    from launch.benchmarks import harness

    if name == "figures":
        return _figures().markdown().partition("\n\n")[2].rstrip() + "\n"
    path = results / f"{name}.json"
    try:
        values = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: cannot be read; measure it with launch.benchmark") from error
    if values.get("schema_version") != harness.SCHEMA_VERSION:
        raise InputError(
            f"{path}: schema {values.get('schema_version')}, this version reads "
            f"{harness.SCHEMA_VERSION}; measure again"
        )
    measurement = harness.Measurement.from_json(values)
    tables = "\n\n".join(table.markdown().rstrip() for table in measurement.tables)
    return f"{tables}\n\n`{measurement.command}`\n({measurement.heading()})\n"


def _figures() -> Table:
    from launch.benchmarks.harness import Table
    from sagan_jax.evaluation.results import METRICS

    return Table(
        "Figures of an evaluation",
        [
            {
                "figure": figure.title,
                "unit": figure.unit,
                "range": figure.range,
                "better": figure.better,
                "how to read it": figure.meaning,
            }
            for figure in METRICS.values()
        ],
    )


def run() -> None:
    """Console entry point."""
    cli.run(main)


if __name__ == "__main__":
    run()
