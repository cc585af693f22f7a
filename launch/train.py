"""Trains a model on two prepared identities; the same command continues a stopped run."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

from absl import flags

from launch import cli
from sagan_jax.presets import PRESETS

PRESET = flags.DEFINE_enum("preset", "demo64", sorted(PRESETS), "Named configuration.")
A = flags.DEFINE_string("a", None, "Folder of identity A, made by launch.prep.", required=True)
B = flags.DEFINE_string("b", None, "Folder of identity B, made by launch.prep.", required=True)
WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder for checkpoints, previews and stats.jsonl.", required=True
)
IMAGES = flags.DEFINE_integer(
    "images", None, "Length of the run in images of both identities; default: the preset's.",
    lower_bound=1,
)  # fmt: skip
WIDTH = flags.DEFINE_float(
    "width", 1.0, "Factor of every network width of the preset.", lower_bound=0.1, upper_bound=8.0
)
SET = flags.DEFINE_multi_string(
    "set", [],
    "Any other field of the config, e.g. --set=loss.perceptual=0.5 or "
    "--set='loss.edges=[[0, 0], [8000, 0.1]]' (images seen, value); may be repeated.",
)  # fmt: skip
BATCH = flags.DEFINE_integer(
    "batch", None, "Images of each identity in one step; default: the preset's.", lower_bound=1
)
SEED = flags.DEFINE_integer("seed", None, "Of everything random; default: the preset's.")


def main(argv: Sequence[str]) -> None:
    del argv
    import dataclasses

    from absl import logging

    from sagan_jax import config as config_lib
    from sagan_jax import train

    changes: dict[str, Any] = {"batch": BATCH.value, "seed": SEED.value}
    config = PRESETS[PRESET.value]()
    config = config_lib.lengthened(config, IMAGES.value or config.images)
    config = dataclasses.replace(
        config,
        model=config_lib.widened(config.model, WIDTH.value),
        **{k: v for k, v in changes.items() if v is not None},
    )
    config = config_lib.overridden(config, SET.value)
    cli.require_writable_folder(pathlib.Path(WORKDIR.value))
    logging.info("Config: %s", config_lib.to_json(config))
    train.train(config, (pathlib.Path(A.value), pathlib.Path(B.value)), pathlib.Path(WORKDIR.value))


def run() -> None:
    """Console entry point."""
    cli.run(main)


if __name__ == "__main__":
    run()
