"""Checkpoints: one atomic bundle of arrays and the facts needed to use them (Orbax).

Knows pytrees, not models. A bundle holds `training` (what only a resumed run needs),
`ema` (what is rendered with) and `facts` (JSON: schema version, config, the two identities
with their consent, fingerprints of the data).
"""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import (
    AnyPreservationPolicy,
    BestN,
    EveryNSteps,
    LatestN,
    PreservationPolicy,
)

from data_prep.errors import InputError

SCHEMA_VERSION = "1.6.0"
# 1.2.0 lacks what only a resumed run needs, 1.3.0 was made with other crops, and up to 1.5.0 places
# of features were not brought to one pose: all can still be rendered with.
_RENDERABLE = ("1.2.0", "1.3.0", "1.4.0", "1.5.0", SCHEMA_VERSION)

Facts = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Keep:
    """Which checkpoints stay on disk, besides the best one.

    Attributes:
      latest: how many of the newest.
      every: all whose step is a multiple of this, None for none.
    """

    latest: int = 2
    every: int | None = None


class Checkpoints:
    """The checkpoints of one training folder.

    Args:
      workdir: the training folder.
      create: whether this is for writing.
      keep: which stay, if it is.

    Raises:
      InputError: if nothing is to be created and there is no checkpoint.
    """

    def __init__(self, workdir: str | pathlib.Path, *, create: bool = False, keep: Keep = Keep()):
        self._workdir = pathlib.Path(workdir)
        folder = self._workdir.resolve() / "checkpoints"
        if not create and not folder.is_dir():
            raise InputError(f"{workdir}: no checkpoint here; give the --workdir of a training")
        self._manager = ocp.CheckpointManager(
            folder,
            item_names=("training", "ema", "facts"),
            options=ocp.CheckpointManagerOptions(
                create=create,
                enable_async_checkpointing=create,
                best_fn=_quality,
                preservation_policy=_policy(keep),
            ),
        )

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def latest(self) -> int | None:
        """Step of the newest complete checkpoint, None if there is none."""
        return self._manager.latest_step()

    @property
    def best(self) -> int | None:
        """Step of the checkpoint of the highest quality, None if there is none."""
        return self._manager.best_step()

    def find(self, which: int | str) -> int:
        """The step of a checkpoint.

        Args:
          which: `latest`, `best`, or the number of a step.

        Raises:
          InputError: if it is not there.
        """
        steps = self._manager.all_steps()
        if not steps:
            raise InputError(
                f"{self._workdir}: no complete checkpoint yet; let the training reach its first"
            )
        named = {"latest": self.latest, "best": self.best} | {str(step): step for step in steps}
        step = named.get(str(which))
        if step is None:
            raise InputError(
                f"{self._workdir}: has no checkpoint '{which}'; give latest, best or one of "
                f"{', '.join(map(str, steps))}"
            )
        return step

    def save(
        self, step: int, training: Any, ema: Any, facts: Facts, quality: float | None = None
    ) -> None:
        """Writes in the background; a checkpoint exists wholly or not at all.

        A step that is already there is left as it is.

        Args:
          step: steps done.
          training: what only a resumed run needs.
          ema: what is rendered with.
          facts: JSON.
          quality: by which the best is kept, higher is better; None if that is not known.
        """
        if step in self._manager.all_steps():
            return
        self._manager.save(
            step,
            args=ocp.args.Composite(
                training=ocp.args.StandardSave(training),
                ema=ocp.args.StandardSave(ema),
                facts=ocp.args.JsonSave(facts | {"schema_version": SCHEMA_VERSION}),
            ),
            metrics=None if quality is None else {"quality": quality},
        )

    def wait(self) -> None:
        """Returns when everything handed to `save` is on disk."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits and closes."""
        self._manager.close()

    def facts(self, which: int | str = "latest", *, to_continue: bool = False) -> Facts:
        """The facts of a checkpoint.

        Args:
          which: see `find`.
          to_continue: whether it is to be trained on, and not only rendered with.

        Raises:
          InputError: if there is none, or one of another schema.
        """
        facts = self._restore(which, facts=ocp.args.JsonRestore())["facts"]
        return current(self._workdir, facts, to_continue=to_continue)

    def restore(self, which: int | str = "latest", **abstract: Any) -> dict[str, Any]:
        """Items of a checkpoint, by name.

        Args:
          which: see `find`.
          **abstract: `training=` and/or `ema=`, trees of `jax.ShapeDtypeStruct` with the
            shardings wanted; they need not be those it was saved with.

        Raises:
          InputError: if there is none, or the arrays are not those of this model.
        """
        try:
            return self._restore(
                which,
                **{name: ocp.args.StandardRestore(tree) for name, tree in abstract.items()},
            )
        except (ValueError, KeyError) as error:
            first_line = str(error).splitlines()[0]
            raise InputError(
                f"{self._workdir}: the checkpoint does not hold this model ({first_line})"
            ) from error

    def _restore(self, which: int | str, **args: Any) -> dict[str, Any]:
        restored = self._manager.restore(self.find(which), args=ocp.args.Composite(**args))
        return {name: restored[name] for name in args}


def current(folder: pathlib.Path, facts: Facts, *, to_continue: bool = False) -> Facts:
    """Facts as this version writes them, of what this one or an earlier one wrote.

    Args:
      folder: where it lies.
      facts: of a checkpoint.
      to_continue: whether it is to be trained on, and not only rendered with.

    Raises:
      InputError: if it cannot be used for that.
    """
    version = facts.get("schema_version")
    if version not in ((SCHEMA_VERSION,) if to_continue else _RENDERABLE):
        way = "it can still be rendered with; " if version in _RENDERABLE else ""
        raise InputError(
            f"{folder}: checkpoint of schema {version}, this version reads {SCHEMA_VERSION}; "
            f"{way}train again or use the version that wrote it"
        )
    # Until 1.3.0 the networks saw all of a crop.
    facts["config"]["model"].setdefault("columns", 1.0)
    # Until 1.4.0 nothing was drawn after a sketch.
    for identity in facts["identities"]:
        identity.setdefault("places", None)
    return facts


def learned_from(facts: Facts) -> list[dict[str, Any]]:
    """The people whose faces a model learned from: its own two, and those of runs it began with."""
    return [*facts["identities"], *facts.get("inherited", [])]


def models_behind(facts: Facts) -> list[dict[str, Any]]:
    """The models that prepared what it learned from, and those that taught it, each once.

    Older checkpoints do not name the latter.
    """
    prepared = (model for one in learned_from(facts) for model in one["models"])
    return list({m["sha256"]: m for m in [*prepared, *facts.get("models", ())]}.values())


def _quality(metrics: dict[str, float]) -> float:
    return metrics["quality"]


def _policy(keep: Keep) -> PreservationPolicy:
    policies: list[PreservationPolicy] = [
        LatestN(keep.latest),
        BestN(get_metric_fn=_quality, n=1, keep_checkpoints_without_metrics=False),
    ]
    if keep.every:
        policies.append(EveryNSteps(keep.every))
    return AnyPreservationPolicy(policies)


def abstract_like(tree: Any, sharding: jax.sharding.Sharding) -> Any:
    """Shapes and dtypes of a tree (of arrays or shapes), placed by `sharding`."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree
    )
