"""Prints the tables of the README: one command a table, figures of this machine.

ancestor: the training step of the ancestor's network against the same network elsewhere
  (`--peer_command`, of which there may be several).
conversion: how fast a video is converted, against only coding it anew, stage by stage, and in how
  much memory; needs a trained model (--checkpoint).
detector: the detector against other MTCNNs, which `make benchmark-peers` installs.
looks: how steady, true in colour and sharp a conversion is, and without each remedy; likewise.
  --sheet shows a face in every look.
networks: size and arithmetic of every preset, counted and not timed.
masks: how well the masks of the face agree with a face parser's (needs `make samples` and
  `make weights-noncommercial`), how steady they are, and what they cost.
roofline: what a training step of every preset needs, and how fast it can be at best on an H100;
  counted and not timed.
step: the training step with and without drawing its data; in the loop and by a stream, with two
  data sets (`--data_sets`).
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
from launch.benchmarks.harness import Table


def _ancestor() -> Iterator[Table]:
    from launch.benchmarks import training_step

    if not PEERS.value:
        raise InputError("the table `ancestor` compares with another program: give --peer_command")
    yield training_step.peer_table(PEERS.value, STEPS.value or 4, ROUNDS.value)


def _conversion() -> Iterator[Table]:
    from launch.benchmarks import conversion

    if len(VIDEOS.value) != 1:
        raise InputError(
            "the table `conversion` is measured on one clip; give --seconds=20 with it"
        )
    yield from conversion.speed_tables(*_model(), _videos()[0], SECONDS.value)


def _looks() -> Iterator[Table]:
    from launch.benchmarks import conversion

    yield from conversion.look_tables(*_model(), _videos(), START.value, SECONDS.value)
    if SHEET.value:
        conversion.write_sheet(*_model(), _videos()[0], pathlib.Path(SHEET.value))


def _model() -> tuple[pathlib.Path, int]:
    if not CHECKPOINT.value:
        raise InputError(f"the table `{TABLE.value}` needs a trained model: give --checkpoint")
    return pathlib.Path(CHECKPOINT.value), "ab".index(TO.value)


def _detector() -> Iterator[Table]:
    from launch.benchmarks import detector

    return detector.tables(pathlib.Path(SAMPLES.value), ROUNDS.value)


def _tracking() -> Iterator[Table]:
    from launch.benchmarks import tracking

    yield from tracking.tables(_videos(), SECONDS.value)


def _watermark() -> Iterator[Table]:
    from launch.benchmarks import watermark

    for path in _videos():
        yield watermark.table(path, SECONDS.value)


def _prep() -> Iterator[Table]:
    from launch.benchmarks import preparation

    paths = _videos()
    if len(paths) != 1:
        raise InputError("the table `prep` is measured on one clip; give --seconds=60 with it")
    yield from preparation.tables(paths[0], SECONDS.value)


def _masks() -> Iterator[Table]:
    from launch.benchmarks import masks

    yield from masks.tables(pathlib.Path(SAMPLES.value))


def _roofline() -> Iterator[Table]:
    from launch.benchmarks import training_step

    yield training_step.roofline_table()


def _step() -> Iterator[Table]:
    from launch.benchmarks import training_step

    folders = [pathlib.Path(folder) for folder in DATA_SETS.value]
    if len(folders) not in (0, 2):
        raise InputError("--data_sets: give those of two people, by a comma")
    pair = (folders[0], folders[1]) if folders else None
    yield from training_step.tables(pair, STEPS.value or 40, ROUNDS.value)


def _videos() -> list[pathlib.Path]:
    if not VIDEOS.value:
        raise InputError(f"the table `{TABLE.value}` is measured on videos: give --videos")
    return [pathlib.Path(path) for path in VIDEOS.value]


def _networks() -> Iterator[Table]:
    from launch.benchmarks import networks

    yield networks.table()


# A table is a function that yields `Table`s as they are measured. It imports what it needs.
_TABLES = {
    "ancestor": _ancestor,
    "conversion": _conversion,
    "detector": _detector,
    "looks": _looks,
    "masks": _masks,
    "networks": _networks,
    "prep": _prep,
    "roofline": _roofline,
    "step": _step,
    "tracking": _tracking,
    "watermark": _watermark,
}

TABLE = flags.DEFINE_enum("table", None, sorted(_TABLES), "Which table.", required=True)
VIDEOS = flags.DEFINE_list(
    "videos", [], "Videos to measure on, by commas (conversion, looks, prep, tracking, watermark)."
)
SAMPLES = flags.DEFINE_string("samples", ".samples", "Folder of the samples (detector, masks).")
ROUNDS = flags.DEFINE_integer(
    "rounds", 5, "Rounds to measure (ancestor, detector, step).", lower_bound=1
)
SECONDS = flags.DEFINE_float("seconds", 10.0, "How much of each video.", lower_bound=1.0)
START = flags.DEFINE_float("start", 0.0, "First second of each video (looks).", lower_bound=0.0)
CHECKPOINT = flags.DEFINE_string("checkpoint", None, "Training folder (conversion, looks).")
TO = flags.DEFINE_enum("to", "a", ["a", "b"], "Who is to be seen (conversion, looks).")
SHEET = flags.DEFINE_string("sheet", None, "Picture to be written of every look (looks).")
STEPS = flags.DEFINE_integer(
    "steps", None, "Steps of one measurement (ancestor, default 4; step, default 40).",
    lower_bound=1,
)  # fmt: skip
DATA_SETS = flags.DEFINE_list("data_sets", [], "Data sets of two people, by a comma (step).")
PEERS = flags.DEFINE_multi_string(
    "peer_command", [],
    "Command that times the ancestor elsewhere and prints `s/iter X images/s Y` (ancestor).",
)  # fmt: skip
_MEASURED = (
    TABLE, VIDEOS, SAMPLES, ROUNDS, SECONDS, START, CHECKPOINT, TO, STEPS, DATA_SETS, PEERS
)  # fmt: skip
JSON = flags.DEFINE_string("json", None, "File to write the values to as JSON.")


def main(argv: Sequence[str]) -> None:
    del argv
    from launch.benchmarks import harness

    given = [flag.serialize() for flag in _MEASURED if flag.present]
    command = shlex.join(["python", "-m", "launch.benchmark", *given])
    measurement = harness.Measurement.here(command)
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
