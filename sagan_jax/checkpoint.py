"""Checkpoints: one atomic bundle of arrays and the facts needed to use them (Orbax).

Knows pytrees, not models. A bundle holds `training` (what only a resumed run needs),
`ema` (what is rendered with) and `facts` (JSON: schema version, config, the two identities
with their consent, fingerprints of the data).
"""

from __future__ import annotations

import pathlib
from typing import Any

import jax
import orbax.checkpoint as ocp

from data_prep.errors import InputError

SCHEMA_VERSION = "1.2.0"
_KEEP = 2

Facts = dict[str, Any]


class Checkpoints:
    """The checkpoints of one training folder.

    Args:
      workdir: the training folder.
      create: whether this is for writing.

    Raises:
      InputError: if nothing is to be created and there is no checkpoint.
    """

    def __init__(self, workdir: str | pathlib.Path, *, create: bool = False):
        self._workdir = pathlib.Path(workdir)
        folder = self._workdir.resolve() / "checkpoints"
        if not create and not folder.is_dir():
            raise InputError(f"{workdir}: no checkpoint here; give the --workdir of a training")
        self._manager = ocp.CheckpointManager(
            folder,
            item_names=("training", "ema", "facts"),
            options=ocp.CheckpointManagerOptions(
                max_to_keep=_KEEP, create=create, enable_async_checkpointing=create
            ),
        )

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, *_: object) -> None:
        self._manager.close()

    @property
    def latest(self) -> int | None:
        """Step of the newest complete checkpoint, None if there is none."""
        return self._manager.latest_step()

    def save(self, step: int, training: Any, ema: Any, facts: Facts) -> None:
        """Writes in the background; a checkpoint exists wholly or not at all.

        A step that is already there is left as it is.
        """
        if step == self.latest:
            return
        self._manager.save(
            step,
            args=ocp.args.Composite(
                training=ocp.args.StandardSave(training),
                ema=ocp.args.StandardSave(ema),
                facts=ocp.args.JsonSave(facts | {"schema_version": SCHEMA_VERSION}),
            ),
        )

    def wait(self) -> None:
        """Returns when everything handed to `save` is on disk."""
        self._manager.wait_until_finished()

    def facts(self) -> Facts:
        """The facts of the newest checkpoint.

        Raises:
          InputError: if there is none, or one of another schema.
        """
        facts = self._restore(facts=ocp.args.JsonRestore())["facts"]
        if facts.get("schema_version") != SCHEMA_VERSION:
            raise InputError(
                f"{self._workdir}: checkpoint of schema {facts.get('schema_version')}, this "
                f"version reads {SCHEMA_VERSION}; train again or use the version that wrote it"
            )
        return facts

    def restore(self, **abstract: Any) -> dict[str, Any]:
        """Items of the newest checkpoint, by name.

        Args:
          **abstract: `training=` and/or `ema=`, trees of `jax.ShapeDtypeStruct` with the
            shardings wanted; they need not be those it was saved with.

        Raises:
          InputError: if there is none, or the arrays are not those of this model.
        """
        try:
            return self._restore(
                **{name: ocp.args.StandardRestore(tree) for name, tree in abstract.items()}
            )
        except (ValueError, KeyError) as error:
            first_line = str(error).splitlines()[0]
            raise InputError(
                f"{self._workdir}: the checkpoint does not hold this model ({first_line})"
            ) from error

    def _restore(self, **args: Any) -> dict[str, Any]:
        step = self.latest
        if step is None:
            raise InputError(
                f"{self._workdir}: no complete checkpoint yet; let the training reach its first"
            )
        restored = self._manager.restore(step, args=ocp.args.Composite(**args))
        return {name: restored[name] for name in args}


def abstract_like(tree: Any, sharding: jax.sharding.Sharding) -> Any:
    """Shapes and dtypes of a tree (of arrays or shapes), placed by `sharding`."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree
    )
