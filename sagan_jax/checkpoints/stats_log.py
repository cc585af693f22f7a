"""`stats.jsonl`: what was logged, a line each time; it survives kills and continues exactly."""

from __future__ import annotations

import json
import math
import pathlib
from collections.abc import Mapping
from typing import Any

NAME = "stats.jsonl"


def append(workdir: pathlib.Path, images: int, values: Mapping[str, float]) -> None:
    """Adds a line.

    Args:
      workdir: the training folder.
      images: seen so far.
      values: by name; JSON has no word for what is not finite, so that becomes null.
    """
    known = {name: value if math.isfinite(value) else None for name, value in values.items()}
    with (workdir / NAME).open("a") as stats:
        stats.write(json.dumps({"images": images} | known) + "\n")


def read(workdir: pathlib.Path) -> list[dict[str, Any]]:
    """All lines, but for one that a kill cut off."""
    path = workdir / NAME
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in map(_parsed, lines) if line]


def held_out(workdir: pathlib.Path, images: int) -> dict[str, float]:
    """Figures of held-out crops after so many images, by name; empty if there are none."""
    lines = [line for line in read(workdir) if line["images"] == images]
    return {n: v for line in lines for n, v in line.items() if n.startswith("holdout_")}


def forget_after(workdir: pathlib.Path, images: int) -> None:
    """Drops what was logged after so many images: it will come again."""
    kept = [line for line in read(workdir) if line["images"] <= images]
    (workdir / NAME).write_text("".join(json.dumps(line) + "\n" for line in kept))


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        values = json.loads(line)
    except json.JSONDecodeError:
        return None
    return values if isinstance(values, dict) and "images" in values else None
