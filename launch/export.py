"""Writes a trained model as a small folder of its own, to convert with on other machines."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from absl import flags

from launch import cli

CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "Export the model of this training folder.", required=True
)
CHECKPOINT_STEP = flags.DEFINE_string(
    "checkpoint_step",
    "latest",
    "Choose the checkpoint: latest, best (on held-out crops), or the number of a step.",
)
OUT = flags.DEFINE_string("out", None, "Write this folder, which must not exist.", required=True)


def main(argv: Sequence[str]) -> None:
    del argv
    from sagan_jax.checkpoints import exported_model

    out = pathlib.Path(OUT.value)
    cli.require_writable_folder(out.parent)
    model = exported_model.export(pathlib.Path(CHECKPOINT.value), out, CHECKPOINT_STEP.value)
    size = sum(path.stat().st_size for path in out.iterdir())
    names = " and ".join(model.facts.names)
    print(f"{out}: {names}, step {model.step}, {size / 1e6:.1f} MB; see its MODEL_CARD.md")


def run() -> None:
    """Console entry point."""
    cli.run(main)


if __name__ == "__main__":
    run()
