"""Prints the tables of the README: one command a table, figures of this machine.

detector: the detector against other MTCNNs, which `make benchmark-peers` installs.
networks: size and arithmetic of every preset, counted and not timed.
masks: how well the masks of the face agree with a face parser's (needs `make samples` and
  `make weights-noncommercial`), how steady they are, and what they cost.
prep: how fast a video becomes a data set, against only decoding it, and in how much memory.
tracking: faces followed between detections against detection in every frame, and the speed.
watermark: what the invisible mark survives, how visible it is, and what it costs.

Every table names the machine and the versions; `--json=benchmarks/TABLE.json` writes the
unrounded values, which `python -m launch.readme_tables` sets into the README.
"""

from __future__ import annotations

import pathlib
import shlex
from collections.abc import Iterator, Sequence

from absl import flags

from data_prep.errors import InputError
from launch import cli
from launch.benchmarking import Table


def _detector() -> Iterator[Table]:
    from launch import benchmark_detector

    return benchmark_detector.tables(pathlib.Path(SAMPLES.value), ROUNDS.value)


def _tracking() -> Iterator[Table]:
    from launch import benchmark_tracking

    yield from benchmark_tracking.tables(_videos(), SECONDS.value)


def _watermark() -> Iterator[Table]:
    from launch import watermark_survival

    for path in _videos():
        yield watermark_survival.table(path, SECONDS.value)


def _prep() -> Iterator[Table]:
    from launch import benchmark_prep

    paths = _videos()
    if len(paths) != 1:
        raise InputError("the table `prep` is measured on one clip; give --seconds=60 with it")
    yield from benchmark_prep.tables(paths[0], SECONDS.value)


def _masks() -> Iterator[Table]:
    from launch import benchmark_masks

    yield from benchmark_masks.tables(pathlib.Path(SAMPLES.value))


def _videos() -> list[pathlib.Path]:
    if not VIDEOS.value:
        raise InputError(f"the table `{TABLE.value}` is measured on videos: give --videos")
    return [pathlib.Path(path) for path in VIDEOS.value]


def _networks() -> Iterator[Table]:
    from launch import benchmark_networks

    yield benchmark_networks.table()


# A table is a function that yields `Table`s as they are measured. It imports what it needs.
_TABLES = {
    "detector": _detector,
    "masks": _masks,
    "networks": _networks,
    "prep": _prep,
    "tracking": _tracking,
    "watermark": _watermark,
}

TABLE = flags.DEFINE_enum("table", None, sorted(_TABLES), "Which table.", required=True)
VIDEOS = flags.DEFINE_list(
    "videos", [], "Videos to measure on, by commas (prep, tracking, watermark)."
)
SAMPLES = flags.DEFINE_string("samples", ".samples", "Folder of the samples (detector, masks).")
ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds to measure (detector).", lower_bound=1)
SECONDS = flags.DEFINE_float("seconds", 10.0, "How much of each video.", lower_bound=1.0)
JSON = flags.DEFINE_string("json", None, "File to write the values to as JSON.")


def main(argv: Sequence[str]) -> None:
    del argv
    from launch import benchmarking

    given = [flag.serialize() for flag in (TABLE, VIDEOS, SAMPLES, ROUNDS, SECONDS) if flag.present]
    command = shlex.join(["python", "-m", "launch.benchmark", *given])
    measurement = benchmarking.Measurement.here(command)
    print(measurement.heading(), flush=True)
    tables = []
    for table in _TABLES[TABLE.value]():
        print(f"\n{table.markdown()}", flush=True)
        tables.append(table)
    if JSON.value:
        cli.require_writable_folder(pathlib.Path(JSON.value).parent)
        measurement.write(pathlib.Path(JSON.value), tables)


def run() -> None:
    """Console entry point."""
    cli.run(main)


if __name__ == "__main__":
    run()
