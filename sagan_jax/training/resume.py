"""What a run can go on from: its newest checkpoint, or its first state."""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
from typing import Any

import jax
import numpy as np
from absl import logging

from data_prep.errors import InputError
from sagan_jax.checkpoints import checkpoint
from sagan_jax.checkpoints.checkpoint import Checkpoints, Facts, Keep
from sagan_jax.configs.config import Config
from sagan_jax.configs.warm_start import Start
from sagan_jax.training import initialise
from sagan_jax.training import train_state as state_lib
from sagan_jax.training.train_state import TrainState

# After so many setbacks the learning rates are a 32nd: that is not what ails it.
_SETBACKS = 5


class Resumable:
    """The states of one training folder; a context manager.

    Attributes:
      facts: what its checkpoints say about themselves.
      best: step of the best checkpoint, None if there is none.

    Args:
      workdir: the training folder.
      config: of the run.
      facts: likewise, but for what a first state inherits.
      sharding: where states lie.
      start: another run to start from; of no meaning once there is a checkpoint.
      keep: which checkpoints stay.

    Raises:
      InputError: if the folder holds another run, or there is nothing to start from.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        config: Config,
        facts: Facts,
        sharding: jax.sharding.Sharding,
        start: Start | None = None,
        keep: Keep = Keep(),
    ):
        self._config, self._sharding, self._start = config, sharding, start
        self._names = tuple(one["identity"] for one in facts["identities"])
        self._create = jax.jit(
            functools.partial(state_lib.create, config=config), out_shardings=sharding
        )
        if start is None and config.freeze:
            raise InputError("--freeze: keeps parts of another run; name it with --init_from")
        inherited = initialise.ancestry(start) if start else []
        self._checkpoints = Checkpoints(workdir, create=True, keep=keep)
        if self._checkpoints.latest is not None:
            before = self._checkpoints.facts(to_continue=True)
            inherited = before.get("inherited", [])
            _refuse_another_run(workdir, before, facts | {"inherited": inherited})
        self.facts = facts | {"inherited": inherited}

    def __enter__(self) -> Resumable:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Returns when everything is on disk."""
        self._checkpoints.close()

    @property
    def best(self) -> int | None:
        return self._checkpoints.best

    def state(self) -> TrainState:
        """The newest checkpoint, or, where there is none, the first state."""
        self._checkpoints.wait()
        key = state_lib.root_key(self._config.seed)
        if self._checkpoints.latest is None:
            fresh = self._create(key)
            if self._start is None:
                return fresh
            return initialise.initialise(fresh, self._start, self._config, self._names)
        shapes = jax.eval_shape(self._create, key)
        training, ema = _split(checkpoint.abstract_like(shapes, self._sharding))
        restored = self._checkpoints.restore(training=training, ema=ema)
        return dataclasses.replace(restored["training"], ema=restored["ema"])

    def save(self, state: TrainState, quality: float | None) -> None:
        """Writes a checkpoint in the background."""
        self._checkpoints.save(int(state.step), *_split(state), self.facts, quality)

    def set_back(self, state: TrainState) -> TrainState:
        """The state to go on from, with lower learning rates, where losses are not finite.

        That it depends on nothing but the checkpoint keeps resumed runs equal to others.

        Raises:
          InputError: if that was done too often.
        """
        setbacks, images = int(state.setbacks) + 1, round(float(state.images_seen(self._config)))
        if setbacks > _SETBACKS:
            raise InputError(
                f"losses or gradients were not finite again before image {images}, after going "
                f"back {_SETBACKS} times with half the learning rates; look at the footage "
                "(report.html of the data sets), or start anew with a lower "
                "--set=optimiser.generator_rate (--find_lr finds one)"
            )
        good = self.state()
        logging.warning(
            "Most losses or gradients before image %d were not finite: back to step %d, with half "
            "the learning rates (setback %d of at most %d).",
            images, int(good.step), setbacks, _SETBACKS,
        )  # fmt: skip
        count = jax.device_put(np.int32(setbacks), self._sharding)
        return dataclasses.replace(good, setbacks=count)


def _split(state: TrainState) -> tuple[TrainState, Any]:
    return dataclasses.replace(state, ema=None), state.ema


def _refuse_another_run(workdir: pathlib.Path, before: Facts, now: Facts) -> None:
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
