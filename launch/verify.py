"""Checks whether videos and images are marked as synthetic, by whom, and whether that holds.

A data set is checked shard by shard; damaged shards are named.

Exit code: 0 marked and unchanged, 3 changed since, 4 watermark without a manifest,
5 no mark, 1 not readable; of several files the highest.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from absl import flags

from data_prep.errors import InputError
from data_prep.json_records import JsonObject
from launch import cli

JSON = flags.DEFINE_bool("json", False, "Print one JSON object a file instead of sentences.")
KEY = flags.DEFINE_string(
    "watermark_key", None, "Look for the watermark with this key; default: the public one."
)


def main(argv: Sequence[str]) -> None:
    if len(argv) < 2:
        raise InputError("no file given: sagan-verify FILE...")
    paths = [pathlib.Path(name) for name in argv[1:]]
    sys.exit(max(_data_set(path) if path.is_dir() else _file(path) for path in paths))


def _file(path: pathlib.Path) -> int:
    """Reports on a file; returns the exit code."""
    from sagan_jax.provenance import verify, watermark

    report = verify.verify(path, KEY.value or watermark.PUBLIC_KEY)
    print(json.dumps(_plain(report)) if JSON.value else report.summary(), flush=True)
    return report.verdict


def _data_set(folder: pathlib.Path) -> int:
    """Reports whether a data set is whole; returns the exit code."""
    from data_prep.dataset import identity_card, reader
    from data_prep.runtime.progress import Progress
    from sagan_jax.provenance.verify import Verdict

    every = list(identity_card.read_card(folder).shards())
    total = sum(shard.bytes for shard in every)
    with Progress("reading shards", total=total, unit="bytes") as bar:
        problems = reader.verify(folder, bar.advance)
    if JSON.value:
        print(json.dumps({"path": str(folder), "shards": len(every), "damaged": problems}))
    elif not problems:
        print(f"{folder}: all {len(every)} shards are whole")
    for name, problem in problems.items() if not JSON.value else ():
        print(f"{folder}: shard {name} {problem}; repair it with `launch.prep --overwrite`")
    return Verdict.TAMPERED if problems else 0


def _plain(report: Any) -> JsonObject:
    values = dataclasses.asdict(report)
    return values | {
        "path": str(report.path),
        "verdict": report.verdict.name.lower(),
        "manifest": values["manifest"] | {"state": report.manifest.state.value},
    }


def run() -> None:
    """Console entry point."""
    cli.run(main, takes_files=True)


if __name__ == "__main__":
    run()
