"""Prints the tables of the README: one command a table, figures of this machine.

watermark: what the invisible mark survives, how visible it is, and what it costs.
"""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Sequence

from absl import flags

from launch import cli

TABLE = flags.DEFINE_enum("table", None, ["watermark"], "Which table.", required=True)
VIDEOS = flags.DEFINE_list("videos", None, "Videos to measure on, by commas.", required=True)
SECONDS = flags.DEFINE_float("seconds", 10.0, "How much of each video.", lower_bound=1.0)


def main(argv: Sequence[str]) -> None:
    del argv
    from launch import watermark_survival

    for path in map(pathlib.Path, VIDEOS.value):
        with tempfile.TemporaryDirectory() as folder:
            print(watermark_survival.table(path, SECONDS.value, pathlib.Path(folder)), flush=True)


def run() -> None:
    """Console entry point."""
    cli.run(main)


if __name__ == "__main__":
    run()
