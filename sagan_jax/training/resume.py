"""Continuing a run from its newest checkpoint, or beginning it from its first state."""

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
from sagan_jax.checkpoints.checkpoint import Checkpoints
from sagan_jax.checkpoints.facts import CheckpointFacts
from sagan_jax.checkpoints.keep import Keep
from sagan_jax.configs.config import Config
from sagan_jax.configs.warm_start import Start
from sagan_jax.training import initialise, train_state
from sagan_jax.training.train_state import TrainState

# After five setbacks the learning rates are a 32nd: they are not what makes the losses infinite.
_SETBACKS = 5


class Resumable:
    """The states of one training folder; a context manager.

    Attributes:
      facts: facts of its checkpoints.

    Args:
      workdir: the training folder.
      config: config of the run.
      facts: facts of its checkpoints, without people inherited from another run.
      sharding: sharding of the states on the devices.
      start: another run to start from; without effect once there is a checkpoint.
      keep: which checkpoints stay.

    Raises:
      InputError: if the folder holds another run, or there is nothing to start from.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        config: Config,
        facts: CheckpointFacts,
        sharding: jax.sharding.Sharding,
        start: Start | None = None,
        keep: Keep = Keep(),
    ):
        self._config, self._sharding, self._start = config, sharding, start
        self._names = facts.names
        self._create = jax.jit(
            functools.partial(train_state.create, config=config), out_shardings=sharding
        )
        # Freezing what is random would be a mistake that shows only hours later.
        if start is None and config.freeze:
            raise InputError(
                "freeze: keeps parts of another run; name the run to start from",
                setting="init_from",
            )
        # A run that is continued inherits what its checkpoints state, whatever `start` is.
        inherited = initialise.ancestry(start) if start else ()
        self._checkpoints = Checkpoints(workdir, create=True, keep=keep)
        before = None
        if self._checkpoints.latest is not None:
            before = self._checkpoints.facts(to_continue=True)
            inherited = before.inherited
        self.facts = dataclasses.replace(facts, inherited=inherited)
        if before is not None:
            _refuse_another_run(workdir, before, self.facts)

    def __enter__(self) -> Resumable:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Waits until everything is on disk, and closes."""
        self._checkpoints.close()

    @property
    def best(self) -> int | None:
        """Step of the best checkpoint, None if there is none."""
        return self._checkpoints.best

    def newest_state(self) -> TrainState:
        """Restores the newest checkpoint or, where there is none, creates the first state."""
        self._checkpoints.wait()
        key = train_state.root_key(self._config.seed)
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
        """Writes a checkpoint in the background.

        Args:
          state: state to save.
          quality: the checkpoint with the highest quality is kept; None if it is not known.
        """
        self._checkpoints.save(int(state.step), *_split(state), self.facts, quality)

    def set_back(self, state: TrainState) -> TrainState:
        """Goes back to the newest checkpoint with lower learning rates.

        The result depends on that checkpoint and the count of setbacks alone, which keeps resumed
        runs equal to undisturbed ones.

        Args:
          state: state whose losses or gradients are not finite.

        Raises:
          InputError: if that was done too often.
        """
        setbacks, images = int(state.setbacks) + 1, round(float(state.images_seen(self._config)))
        if setbacks > _SETBACKS:
            raise InputError(
                f"losses or gradients were not finite again before image {images}, after going "
                f"back {_SETBACKS} times with half the learning rates; look at the footage "
                "(report.html of the data sets), or start anew with a lower "
                "optimiser.generator_rate, which a range test finds",
                setting="find_lr",
            )
        good = self.newest_state()
        logging.warning(
            "Most losses or gradients before image %d were not finite: back to step %d, with half "
            "the learning rates (setback %d of at most %d).",
            images,
            int(good.step),
            setbacks,
            _SETBACKS,
        )
        count = jax.device_put(np.int32(setbacks), self._sharding)
        return dataclasses.replace(good, setbacks=count)


def _split(state: TrainState) -> tuple[TrainState, Any]:
    """The two items of a checkpoint: the state without the averaged generator, and that one."""
    return dataclasses.replace(state, ema=None), state.ema


def _refuse_another_run(
    workdir: pathlib.Path, before: CheckpointFacts, now: CheckpointFacts
) -> None:
    """Raises an `InputError` that names the differences, if facts are of two different runs."""
    # Through JSON, where tuples and lists are equal.
    old, new = (_flat(json.loads(json.dumps(facts.to_json()))) for facts in (before, now))
    differences = [
        f"{name} was {old.get(name)}, is {new.get(name)}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    if differences:
        raise InputError(
            f"{workdir}: holds another run ({'; '.join(differences[:3])}); "
            "give another folder, or the same settings to continue",
            setting="workdir",
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
