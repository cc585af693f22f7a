"""Checkpoints: one atomic bundle of arrays and the facts needed to use them (Orbax).

A checkpoint knows pytrees, not models. It holds `training` (arrays that only a resumed run needs),
`ema` (the averaged generator, for rendering) and `facts` (JSON, see `facts.CheckpointFacts`).
"""

from __future__ import annotations

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
from sagan_jax.checkpoints import migrations
from sagan_jax.checkpoints.facts import CheckpointFacts
from sagan_jax.checkpoints.keep import Keep


class Checkpoints:
    """The checkpoints of one training folder.

    Args:
      workdir: training folder.
      create: whether checkpoints are going to be written.
      keep: which checkpoints stay; only matters for writing.

    Raises:
      InputError: if nothing is going to be written and there is no checkpoint.
    """

    def __init__(self, workdir: str | pathlib.Path, *, create: bool = False, keep: Keep = Keep()):
        self._workdir = pathlib.Path(workdir)
        folder = self._workdir.resolve() / "checkpoints"
        if not create and not folder.is_dir():
            raise InputError(f"{workdir}: no checkpoint here; give the folder of a training")
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
        """Step of the checkpoint with the highest quality, None if there is none."""
        return self._manager.best_step()

    def find(self, which: int | str) -> int:
        """Step of a checkpoint.

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
        self,
        step: int,
        training: Any,
        ema: Any,
        facts: CheckpointFacts,
        quality: float | None = None,
    ) -> None:
        """Writes a checkpoint in the background; it exists wholly or not at all.

        A checkpoint of this step that exists already is left as it is.

        Args:
          step: steps done.
          training: arrays that only a resumed run needs.
          ema: parameters of the averaged generator.
          facts: what the checkpoint states about itself.
          quality: the checkpoint with the highest quality is kept; None if it is not known.
        """
        if step in self._manager.all_steps():
            return
        self._manager.save(
            step,
            args=ocp.args.Composite(
                training=ocp.args.StandardSave(training),
                ema=ocp.args.StandardSave(ema),
                facts=ocp.args.JsonSave(facts.to_json()),
            ),
            metrics=None if quality is None else {"quality": quality},
        )

    def wait(self) -> None:
        """Waits until everything passed to `save` is on disk."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits until everything is on disk, and closes."""
        self._manager.close()

    def facts(self, which: int | str = "latest", *, to_continue: bool = False) -> CheckpointFacts:
        """Reads the facts of a checkpoint.

        Args:
          which: see `find`.
          to_continue: whether the training is to go on from it; otherwise it only has to render.

        Raises:
          InputError: if there is no such checkpoint, or it is of a schema that cannot be used.
        """
        values = self._restore(which, facts=ocp.args.JsonRestore())["facts"]
        return read_facts(self._workdir, values, to_continue=to_continue)

    def restore(self, which: int | str = "latest", **abstract: Any) -> dict[str, Any]:
        """Reads items of a checkpoint, by name.

        Args:
          which: see `find`.
          **abstract: `training=` and/or `ema=`, trees of `jax.ShapeDtypeStruct` with the
            shardings wanted, which may differ from those it was saved with.

        Raises:
          InputError: if there is no such checkpoint, or its arrays are not those of this model.
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


def read_facts(folder: pathlib.Path, values: Any, *, to_continue: bool = False) -> CheckpointFacts:
    """Facts from parsed JSON, of this schema or an earlier one.

    Args:
      folder: where they were stored, for messages.
      values: parsed JSON.
      to_continue: whether the training is to go on; otherwise the model only has to render.

    Raises:
      InputError: if they are damaged or cannot be used for that.
    """
    if not isinstance(values, dict):
        raise InputError(f"{folder}: damaged facts of a checkpoint (not a JSON object)")
    version = values.get("schema_version")
    usable = migrations.CONTINUABLE if to_continue else migrations.RENDERABLE
    if version not in usable:
        renderable = version in migrations.RENDERABLE
        way = "it can still be rendered with; " if renderable else ""
        raise InputError(
            f"{folder}: checkpoint of schema {version}, this version reads "
            f"{migrations.SCHEMA_VERSION}; {way}train again or use the version that wrote it"
        )
    try:
        return CheckpointFacts.from_json(values)
    except (InputError, AttributeError, KeyError, TypeError, ValueError) as error:
        # The messages of a decoder may have several lines.
        reason = " ".join(str(error).split())
        raise InputError(f"{folder}: damaged facts of a checkpoint ({reason})") from error


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
    """Shapes and dtypes of a tree of arrays or shapes, placed by `sharding`."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree
    )
