"""`stats.jsonl`: one line of metrics each time; it survives kills and continues exactly."""

from __future__ import annotations

import json
import math
import pathlib
from collections.abc import Mapping

from data_prep.json_records import JsonObject
from sagan_jax.checkpoints import migrations

NAME = "stats.jsonl"


def append(workdir: pathlib.Path, images: int, values: Mapping[str, float]) -> None:
    """Adds a line.

    Args:
      workdir: training folder.
      images: images seen so far.
      values: metrics by name; those that are not finite, which JSON cannot hold, become null.
    """
    finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
    with (workdir / NAME).open("a") as stats:
        stats.write(json.dumps({"images": images} | finite) + "\n")


def read(workdir: pathlib.Path) -> list[JsonObject]:
    """Reads all lines, but for one that a kill cut off."""
    path = workdir / NAME
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in map(_parsed, lines) if line]


def held_out(workdir: pathlib.Path, images: int) -> dict[str, float]:
    """Metrics of held-out crops after `images` images, by name; empty if there are none."""
    lines = [line for line in read(workdir) if line["images"] == images]
    return {n: v for line in lines for n, v in line.items() if n.startswith("holdout_")}


def forget_after(workdir: pathlib.Path, images: int) -> None:
    """Drops lines logged after `images` images: a resumed run will log them again."""
    kept = [line for line in read(workdir) if line["images"] <= images]
    (workdir / NAME).write_text("".join(json.dumps(line) + "\n" for line in kept))


def _parsed(line: str) -> JsonObject | None:
    """Metrics of a line by today's names, None if the line is damaged."""
    try:
        values = json.loads(line)
    except json.JSONDecodeError:
        return None
    if not isinstance(values, dict) or "images" not in values:
        return None
    return migrations.current_metrics(values)
