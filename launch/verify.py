"""Says whether videos and pictures are marked as synthetic, by whom, and whether that holds.

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

from launch import cli

JSON = flags.DEFINE_bool("json", False, "Print one JSON object a file, and no words.")
KEY = flags.DEFINE_string("watermark_key", None, "Whose watermark to look for; default: anyone's.")


def main(argv: Sequence[str]) -> None:
    from data_prep.errors import InputError
    from sagan_jax import verify, watermark

    if len(argv) < 2:
        raise InputError("no file given: sagan-verify FILE...")
    reports = []
    for name in argv[1:]:
        report = verify.verify(pathlib.Path(name), KEY.value or watermark.PUBLIC_KEY)
        print(json.dumps(_plain(report)) if JSON.value else report.words(), flush=True)
        reports.append(report)
    sys.exit(max(report.verdict for report in reports))


def _plain(report: Any) -> dict[str, Any]:
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
