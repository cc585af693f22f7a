"""Prints a table of measurements on this machine, and writes its values as JSON.

conversion: speed and memory of converting a video, against only transcoding it, and the time of
  each stage; needs a trained model (--checkpoint).
detector: the face detector against other MTCNNs, which `make benchmark-peers` installs.
faceswap_gan: the training step of faceswap-GAN's networks against the same networks in other
  programs (--peer_command, which may be repeated).
looks: steadiness, colour and sharpness of a conversion, with and without each correction; needs a
  trained model (--checkpoint). --sheet writes an image of a face in every look.
masks: agreement of the face masks with a face parser (needs `make samples` and
  `make weights-noncommercial`), their steadiness and their cost.
networks: size and arithmetic of every preset, counted and not timed.
prep: speed and memory of preparing a video, against only decoding it.
roofline: needs of a training step of every preset, and its best possible speed on an H100; counted
  and not timed.
step: the training step with and without sampling its data; with two data sets (--data_sets) also
  in the training loop, and with streamed data.
tracking: faces tracked between detections against detection in every frame, and the speed of both.
watermark: attacks that the invisible mark survives, its visibility and its cost.

Every table names the machine and the versions. `--json=benchmarks/TABLE.json` writes the unrounded
values, which `python -m launch.docs_tables` writes into the documentation.
"""

from __future__ import annotations

import pathlib
import shlex
from collections.abc import Sequence

from absl import flags

from launch import cli
from launch.benchmarks import harness, tables

TABLE = flags.DEFINE_enum("table", None, tables.NAMES, "Select the table.", required=True)
VIDEOS = flags.DEFINE_list(
    "videos",
    [],
    "Measure on these videos, separated by commas (conversion, looks, prep, tracking, watermark).",
)
SAMPLES = flags.DEFINE_string(
    "samples", ".samples", "Read the sample files from this folder (detector, masks)."
)
ROUNDS = flags.DEFINE_integer(
    "rounds", 5, "Measure this number of rounds (detector, faceswap_gan, step).", lower_bound=1
)
SECONDS = flags.DEFINE_float(
    "seconds", 10.0, "Measure on this many seconds of each video.", lower_bound=1.0
)
START = flags.DEFINE_float(
    "start", 0.0, "Start at this second of each video (looks).", lower_bound=0.0
)
CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "Use the model of this training folder (conversion, looks)."
)
TO = flags.DEFINE_enum("to", "a", ["a", "b"], "Render person a or b (conversion, looks).")
SHEET = flags.DEFINE_string("sheet", None, "Write an image of every look to this file (looks).")
STEPS = flags.DEFINE_integer(
    "steps",
    None,
    "Take this many training steps in one measurement (faceswap_gan, default 4; step, default 40).",
    lower_bound=1,
)
DATA_SETS = flags.DEFINE_list(
    "data_sets", [], "Train on the data sets of two people, separated by a comma (step)."
)
PEERS = flags.DEFINE_multi_string(
    "peer_command",
    [],
    "Compare with this command, which times faceswap-GAN's networks and prints "
    "`s/iter X images/s Y` (faceswap_gan).",
)
JSON = flags.DEFINE_string("json", None, "Write the unrounded values to this file as JSON.")
# Flags that the command in the JSON file repeats: those that influence the values.
_MEASURED = (
    TABLE,
    VIDEOS,
    SAMPLES,
    ROUNDS,
    SECONDS,
    START,
    CHECKPOINT,
    TO,
    STEPS,
    DATA_SETS,
    PEERS,
)


def main(argv: Sequence[str]) -> None:
    del argv
    # The JSON file repeats the command, so that the table can be measured again.
    present = [flag.serialize() for flag in _MEASURED if flag.present]
    command = shlex.join(["python", "-m", "launch.benchmark", *present])
    measurement = harness.Measurement.here(command)
    print(measurement.heading(), flush=True)
    measured = []
    # Some benchmarks take an hour: every table is printed as soon as it is measured.
    for table in tables.measure(TABLE.value, _options()):
        print(f"\n{table.markdown()}", flush=True)
        measured.append(table)
    if JSON.value:
        cli.require_writable_folder(pathlib.Path(JSON.value).parent)
        measurement.write(pathlib.Path(JSON.value), measured)


def _options() -> tables.Options:
    return tables.Options(
        videos=tuple(map(pathlib.Path, VIDEOS.value)),
        samples=pathlib.Path(SAMPLES.value),
        rounds=ROUNDS.value,
        seconds=SECONDS.value,
        start=START.value,
        checkpoint=pathlib.Path(CHECKPOINT.value) if CHECKPOINT.value else None,
        to="ab".index(TO.value),
        sheet=pathlib.Path(SHEET.value) if SHEET.value else None,
        steps=STEPS.value,
        data_sets=tuple(map(pathlib.Path, DATA_SETS.value)),
        peer_command=tuple(PEERS.value),
    )


def run() -> None:
    """Console entry point."""
    cli.run(main)


if __name__ == "__main__":
    run()
