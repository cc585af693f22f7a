"""Trains a model on two prepared identities; the same command continues a stopped run.

To give a trained model of Ada a new second person, --a=data/ada --b=data/new --init_from=runs/ab
--freeze=encoder,decoder_a leaves everything that renders Ada as it is, bit for bit.
"""

from __future__ import annotations

import json
import pathlib
import typing
from collections.abc import Sequence
from typing import Any

from absl import flags

from data_prep.errors import InputError
from launch import cli
from sagan_jax.checkpoints.keep import Keep
from sagan_jax.configs.config import Config, ExecutionConfig
from sagan_jax.configs.presets import PRESETS
from sagan_jax.configs.warm_start import Take

_EXECUTION = typing.get_type_hints(ExecutionConfig)
_KEEP = Keep()

PRESET = flags.DEFINE_enum("preset", "demo64", sorted(PRESETS), "Train this preset.")
A = flags.DEFINE_string("a", None, "Train A on this data set, made by launch.prep.", required=True)
B = flags.DEFINE_string("b", None, "Train B on this data set, made by launch.prep.", required=True)
WORKDIR = flags.DEFINE_string(
    "workdir", None, "Write checkpoints and everything else to this folder.", required=True
)
IMAGES = flags.DEFINE_integer(
    "images",
    None,
    "Train on this many images of both identities; default: the preset's.",
    lower_bound=1,
)
WIDTH = flags.DEFINE_float(
    "width", 1.0, "Multiply every network width of the preset by this factor.", 0.1, 8.0
)
SET = flags.DEFINE_multi_string(
    "set",
    [],
    "Set any other field of the config, e.g. --set=loss.perceptual=0.5 or "
    "--set='loss.edges=[[0, 0], [8000, 0.1]]' (images seen, value); may be repeated.",
)
PRECISION = flags.DEFINE_enum(
    "precision",
    None,
    typing.get_args(_EXECUTION["precision"]),
    "Compute the networks in this precision; auto is bfloat16 on GPUs and TPUs, float32 on a CPU.",
)
DATA = flags.DEFINE_enum(
    "data",
    None,
    typing.get_args(_EXECUTION["data"]),
    "Keep all crops on every device, or stream them from the shards; auto goes by the memory of "
    "the device.",
)
ACCUMULATE = flags.DEFINE_integer(
    "accumulate",
    None,
    "Compute the batch of a step in this many parts, to need less memory.",
    lower_bound=1,
)
REMATERIALISE = flags.DEFINE_boolean(
    "rematerialise", None, "Compute feature maps twice, to need less memory."
)
COORDINATOR = flags.DEFINE_string(
    "coordinator",
    None,
    "Join a run of several processes through this address, host:port of process 0. Each process is "
    "started with the same flags but for --process_id, and all see --workdir and the data sets.",
)
PROCESSES = flags.DEFINE_integer(
    "num_processes", None, "Wait for this many processes.", lower_bound=1
)
PROCESS = flags.DEFINE_integer("process_id", None, "Number this process, from 0.", lower_bound=0)
CACHE = flags.DEFINE_string(
    "compilation_cache",
    None,
    "Keep compiled programs for the next start in this folder; default: "
    "$JAX_COMPILATION_CACHE_DIR, or sagan-jax in the user's cache.",
)
BATCH = flags.DEFINE_integer(
    "batch",
    None,
    "Train on this many images of each identity in one step; default: the preset's.",
    lower_bound=1,
)
SEED = flags.DEFINE_integer(
    "seed", None, "Seed everything random with this number; default: the preset's."
)
INIT_FROM = flags.DEFINE_string(
    "init_from", None, "Start from the training in this folder, which must have the same networks."
)
INIT_STEP = flags.DEFINE_string(
    "init_step",
    "latest",
    "Choose its checkpoint: latest, best, or the number of a step.",
)
INIT_TAKE = flags.DEFINE_enum_class(
    "init_take",
    Take.PEOPLE,
    Take,
    "Take its encoder; the encoder and the decoders of the people in both runs, by their names; or "
    "everything, so that a new person starts as the one whose place is taken.",
)
FREEZE = flags.DEFINE_list(
    "freeze", [], "Freeze these parts as they are in --init_from: encoder, decoder_a, decoder_b."
)
KEEP = flags.DEFINE_integer(
    "keep",
    _KEEP.latest,
    "Keep this many newest checkpoints, besides the best one.",
    lower_bound=1,
)
SNAPSHOTS = flags.DEFINE_integer(
    "snapshot_every",
    _KEEP.every,
    "Keep a checkpoint for good every so many images, a multiple of the config's checkpoint_every; "
    "default: never.",
    lower_bound=1,
)
PROFILE_AT = flags.DEFINE_integer(
    "profile_at",
    None,
    "Profile steps after this many images, into WORKDIR/profile.",
    lower_bound=1,
)
PROFILE_STEPS = flags.DEFINE_integer("profile_steps", 5, "Profile this many steps.", lower_bound=1)
FIND_LR = flags.DEFINE_bool(
    "find_lr",
    False,
    "Find the learning rate by a range test on a model that is thrown away, write it to "
    "WORKDIR/find_lr.json and .svg, and train nothing.",
)


def main(argv: Sequence[str]) -> None:
    del argv
    import dataclasses

    from absl import logging

    from sagan_jax.configs import config as config_lib
    from sagan_jax.configs import overrides
    from sagan_jax.devices import compilation_cache

    _join_processes()
    logging.info("Compiled programs are kept in %s.", compilation_cache.enable(CACHE.value))
    changes: dict[str, Any] = {"batch": BATCH.value, "seed": SEED.value}
    config = PRESETS[PRESET.value]()
    config = config_lib.lengthened(config, IMAGES.value or config.images)
    config = dataclasses.replace(
        config,
        model=config_lib.widened(config.model, WIDTH.value),
        **{k: v for k, v in changes.items() if v is not None},
    )
    frozen = [f"freeze={json.dumps(FREEZE.value)}"] if FREEZE.value else []
    config = overrides.overridden(config, [*frozen, *SET.value, *_execution()])
    cli.require_writable_folder(pathlib.Path(WORKDIR.value))
    logging.info("Config: %s", overrides.to_json(config))
    (_find_rate if FIND_LR.value else _train)(config)


def _find_rate(config: Config) -> None:
    from sagan_jax.data import identity_crops, sampling
    from sagan_jax.training import lr_range_test

    crop_window = config.model.crop_window
    (a, _), (b, _) = (
        identity_crops.load(folder, "train", crop_window) for folder in (A.value, B.value)
    )
    found = lr_range_test.find_rate(config, sampling.with_sampling_weights((a, b), config.sampling))
    plot = lr_range_test.write(found, pathlib.Path(WORKDIR.value))
    print(f"--set=optimiser.generator_rate={found.recommended:g} (see {plot})")


def _train(config: Config) -> None:
    from sagan_jax.configs.warm_start import Start
    from sagan_jax.evaluation import holdout_swap
    from sagan_jax.training import train
    from sagan_jax.training.monitor import ProfileWindow
    from sagan_jax.validation import reconstruction

    start = None
    if INIT_FROM.value:
        start = Start(pathlib.Path(INIT_FROM.value), INIT_STEP.value, INIT_TAKE.value)
    window = ProfileWindow(PROFILE_AT.value, PROFILE_STEPS.value) if PROFILE_AT.value else None
    train.train(
        config,
        (pathlib.Path(A.value), pathlib.Path(B.value)),
        pathlib.Path(WORKDIR.value),
        start=start,
        keep=_keep(config),
        window=window,
        measures=(reconstruction.make_measure, holdout_swap.make_measure),
    )


def _keep(config: Config) -> Keep:
    if SNAPSHOTS.value is None:
        return Keep(KEEP.value)
    per_step = 2 * config.batch
    if SNAPSHOTS.value % config.checkpoint_every or SNAPSHOTS.value % per_step:
        raise InputError(
            f"--snapshot_every={SNAPSHOTS.value}: use a multiple of the {config.checkpoint_every} "
            f"images between checkpoints that is whole steps of {per_step}"
        )
    return Keep(KEEP.value, SNAPSHOTS.value // per_step)


def _execution() -> list[str]:
    """The flags of `ExecutionConfig` as assignments."""
    values = {
        "precision": PRECISION.value,
        "data": DATA.value,
        "accumulate": ACCUMULATE.value,
        "rematerialise": REMATERIALISE.value,
    }
    return [f"execution.{k}={json.dumps(v)}" for k, v in values.items() if v is not None]


def _join_processes() -> None:
    from sagan_jax.devices import distributed

    coordinator, processes, process = COORDINATOR.value, PROCESSES.value, PROCESS.value
    if coordinator is not None and processes is not None and process is not None:
        distributed.initialise(coordinator, processes, process)
    elif (coordinator, processes, process) != (None, None, None):
        raise InputError(
            "a run of several processes needs all of --coordinator, --num_processes and "
            "--process_id"
        )


def run() -> None:
    """Console entry point."""
    cli.run(main)


if __name__ == "__main__":
    run()
