"""The training loop: one story, top to bottom."""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
import signal
import time
from typing import Any

import jax
import numpy as np
from absl import logging

from data_prep import shards
from data_prep.errors import InputError
from data_prep.progress import Progress
from sagan_jax import checkpoint, distributed, holdout, model_card
from sagan_jax import config as config_lib
from sagan_jax import state as state_lib
from sagan_jax import step as step_lib
from sagan_jax.config import Config
from sagan_jax.data import Identity, load
from sagan_jax.preview import Preview
from sagan_jax.state import TrainState


def train(
    config: Config, folders: tuple[pathlib.Path, pathlib.Path], workdir: pathlib.Path
) -> None:
    """Trains, or continues, one model.

    Writes into `workdir`: `checkpoints/`, `stats.jsonl`, `previews/*.png`, `config.json`,
    `MODEL_CARD.md`, `model_card.json`.
    Killed at any time and called again it continues from the newest checkpoint, and ends
    with the same numbers as if it had never been killed. SIGTERM and Ctrl-C save first.

    Args:
      config: what to train.
      folders: data sets of A and B.
      workdir: the training folder.

    Raises:
      InputError: if a data set cannot be used, or the folder holds a run of another config.
    """
    # -- data: both identities, whole, on every device
    cards = [shards.read_card(folder) for folder in folders]
    if cards[0].fingerprint == cards[1].fingerprint:
        raise InputError(f"{folders[1]}: is identity A again; a swap needs two people")
    side = config.model.resolution
    training = (load(folders[0], "train", side), load(folders[1], "train", side))
    held_out = (load(folders[0], "holdout", side), load(folders[1], "holdout", side))
    mesh = distributed.device_mesh(config.batch)
    everywhere = distributed.replicated(mesh)
    data = jax.device_put(training, everywhere)
    logging.info(
        "A: %s, %d crops. B: %s, %d crops. %d device(s): %s.",
        cards[0].identity, len(training[0].images), cards[1].identity, len(training[1].images),
        mesh.size, mesh.devices.flat[0].device_kind,
    )  # fmt: skip

    # -- state: fresh, or the newest checkpoint
    facts = _facts(config, cards, training)
    workdir.mkdir(parents=True, exist_ok=True)
    checkpoints = checkpoint.Checkpoints(workdir, create=True)
    key = jax.random.key(config.seed)
    create = jax.jit(functools.partial(state_lib.create, config=config), out_shardings=everywhere)
    if checkpoints.latest is None:
        (workdir / "config.json").write_text(config_lib.to_json(config))
        (workdir / "stats.jsonl").write_text("")
        state = create(key)
    else:
        _refuse_another_run(workdir, checkpoints.facts(), facts)
        state = _restore(checkpoints, jax.eval_shape(create, key), everywhere)
        _forget_later_stats(workdir, int(state.step) * 2 * config.batch)
        logging.info("Continuing at image %d.", int(state.step) * 2 * config.batch)

    # -- what is watched
    step = step_lib.make_step(config, mesh)
    preview = Preview(config.model, held_out)
    measure = holdout.make_measure(config.model, held_out)
    previews = workdir / "previews"
    previews.mkdir(exist_ok=True)
    images, per_step = int(state.step) * 2 * config.batch, 2 * config.batch

    # -- the loop: nothing here waits for the device, except where something is written
    with (
        Progress("training", total=config.images, unit="images", done=images) as progress,
        _StopSignal() as stop,
        checkpoints,
    ):
        last = images >= config.images
        clock, clock_images = time.monotonic(), images
        logged, skipped = images, int(state.skipped)
        while not last:
            state, metrics = step(state, data)
            images += per_step
            progress.advance(per_step)
            # Asked once, so that a signal during what follows ends the next step, not this.
            last = images >= config.images or stop.requested
            if _due(images, per_step, config.log_every) or last:
                values = {name: float(value) for name, value in jax.device_get(metrics).items()}
                rate = (images - clock_images) / (time.monotonic() - clock)
                _append(workdir, {"images": images, "images_per_second": rate} | values)
                _check_skipped(
                    int(values["skipped"]) - skipped, (images - logged) // per_step, images
                )
                logged, skipped = images, int(values["skipped"])
                clock, clock_images = time.monotonic(), images
            if _due(images, per_step, config.preview_every) or last:
                preview.write(previews / f"{images:09d}.png", state.ema)
            if _due(images, per_step, config.checkpoint_every) or last:
                measured = measure(state.ema)
                _append(workdir, {"images": images} | measured)
                checkpoints.save(int(state.step), *_split(state), facts)
                model_card.write(workdir, facts, images, measured)
                clock, clock_images = time.monotonic(), images
        checkpoints.wait()
    if images < config.images:
        logging.info("Stopped and saved at image %d; the same command continues.", images)
    else:
        logging.info("Trained on %d images.", images)


def _due(images: int, per_step: int, every: int) -> bool:
    """Whether a multiple of `every` was passed in the last step."""
    return images // every != (images - per_step) // every


def _split(state: TrainState) -> tuple[TrainState, Any]:
    return dataclasses.replace(state, ema=None), state.ema


def _restore(
    checkpoints: checkpoint.Checkpoints, shapes: TrainState, sharding: jax.sharding.Sharding
) -> TrainState:
    training, ema = _split(checkpoint.abstract_like(shapes, sharding))
    restored = checkpoints.restore(training=training, ema=ema)
    return dataclasses.replace(restored["training"], ema=restored["ema"])


def _facts(
    config: Config, cards: list[shards.IdentityCard], training: tuple[Identity, ...]
) -> checkpoint.Facts:
    """What a checkpoint says about itself."""
    identities = [
        dataclasses.asdict(card)
        | {"mean": np.asarray(one.mean).tolist(), "std": np.asarray(one.std).tolist()}
        for card, one in zip(cards, training, strict=True)
    ]
    return {"config": json.loads(config_lib.to_json(config)), "identities": identities}


def _refuse_another_run(
    workdir: pathlib.Path, before: checkpoint.Facts, now: checkpoint.Facts
) -> None:
    now = json.loads(json.dumps(now))
    differences = [
        f"{name} was {_flat(before).get(name)}, is {_flat(now).get(name)}"
        for name in sorted(_flat(before).keys() | _flat(now).keys())
        if name != "schema_version" and _flat(before).get(name) != _flat(now).get(name)
    ]
    if differences:
        raise InputError(
            f"{workdir}: holds another run ({'; '.join(differences[:3])}); "
            "give another --workdir, or the same settings to continue"
        )


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Leaves of nested dicts and lists by dotted name."""
    if isinstance(tree, list):
        tree = dict(enumerate(tree))
    if not isinstance(tree, dict):
        return {prefix: tree}
    return {
        name: leaf
        for key, branch in tree.items()
        for name, leaf in _flat(branch, f"{prefix}.{key}".strip(".")).items()
    }


def _forget_later_stats(workdir: pathlib.Path, images: int) -> None:
    """Drops what a killed run had logged after its last checkpoint: it will come again."""
    path = workdir / "stats.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines if _images_of(line) <= images]
    path.write_text("".join(line + "\n" for line in kept))


def _images_of(line: str) -> float:
    try:
        return json.loads(line)["images"]
    except (json.JSONDecodeError, KeyError):  # the kill came in the middle of this line
        return float("inf")


def _append(workdir: pathlib.Path, values: dict[str, float]) -> None:
    # JSON has no word for what is not a number.
    known = {name: value if np.isfinite(value) else None for name, value in values.items()}
    with (workdir / "stats.jsonl").open("a") as stats:
        stats.write(json.dumps(known) + "\n")


def _check_skipped(skipped: int, steps: int, images: int) -> None:
    """Speaks up about steps that the compiled step refused to take."""
    if skipped and skipped == steps:
        raise InputError(
            f"a loss or gradient was not finite in each of the {steps} steps before image "
            f"{images}; the newest checkpoint is good: lower the learning rate and continue from it"
        )
    if skipped:
        logging.warning(
            "%d of %d steps before image %d were skipped: a loss or gradient was not finite.",
            skipped, steps, images,
        )  # fmt: skip


class _StopSignal:
    """While it is entered, SIGTERM and SIGINT are requests to save and leave."""

    def __init__(self) -> None:
        self.requested = False

    def __enter__(self) -> _StopSignal:
        self._before = {
            number: signal.signal(number, self._request)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _request(self, *_: object) -> None:
        self.requested = True
