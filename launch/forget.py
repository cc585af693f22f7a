"""Removes a person: data sets, crops and every model that was trained on them."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from absl import flags

from launch import cli

IDENTITY = flags.DEFINE_string(
    "identity", None, "Forget the person with this name, as given to launch.prep.", required=True
)
ROOT = flags.DEFINE_string("root", ".", "Look through this folder and everything below it.")
DRY_RUN = flags.DEFINE_bool("dry_run", False, "List what would be removed, and remove nothing.")


def main(argv: Sequence[str]) -> None:
    del argv
    from sagan_jax.provenance import forget

    traces = forget.find(pathlib.Path(ROOT.value), IDENTITY.value)
    if not DRY_RUN.value:
        forget.remove(traces)
    done = "would be removed" if DRY_RUN.value else "removed"
    for what, paths in (("data set", traces.data_sets), ("model", traces.models)):
        for path in paths:
            print(f"{path}: {what} {done}")
    for path in traces.rendered:
        print(f"{path}: is of a video made with {IDENTITY.value}; left as it is")
    for path in traces.unreadable:
        print(f"{path}: cannot be read; look for yourself")
    print(
        f"{IDENTITY.value}: {len(traces.data_sets)} data sets and {len(traces.models)} models "
        f"{done}. Footage, and copies elsewhere, are yours to delete."
    )


def run() -> None:
    """Console entry point."""
    cli.run(main)


if __name__ == "__main__":
    run()
