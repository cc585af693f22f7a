"""What an evaluation found, as it is stored: figures with intervals, and how they are read."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_prep import weights
from data_prep.errors import InputError
from sagan_jax.evaluation.bootstrap import Estimate
from sagan_jax.evaluation.metric_definitions import METRICS

SCHEMA_VERSION = "2.0.0"
# The judges; no loss uses one of them.
JUDGES = (weights.SFACE, weights.FACE_LANDMARKER, weights.EFFICIENTNET)


@dataclasses.dataclass(frozen=True)
class Part:
    """The figures of one video, or of one person.

    Attributes:
      counts: what they were measured on, by what is counted.
      figures: by `figures.Figure.name`.
      series: values over time, by what they are, for plots; all as long as `seconds`, which is
        among them, or as long as `sampled_seconds`.
    """

    counts: Mapping[str, int]
    figures: Mapping[str, Estimate]
    series: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def value(self, name: str) -> float | None:
        """One figure, None if it was not measured or says nothing."""
        estimate = self.figures.get(name)
        return None if estimate is None else known(estimate.value)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What one run of `launch.evaluate` found.

    Attributes:
      subject: of what: names and hashes, by role.
      parts: by title.
    """

    subject: Mapping[str, Any]
    parts: Mapping[str, Part]

    def to_json(self) -> str:
        """With unit, range and direction of every figure; what is not a number is null."""
        used = {name for part in self.parts.values() for name in part.figures}
        content = {
            "schema_version": SCHEMA_VERSION,
            "subject": self.subject,
            "judges": weights.licences(JUDGES),
            "read_as": {name: _read_as(name) for name in METRICS if name in used},
            "parts": {title: _part_to_json(part) for title, part in self.parts.items()},
        }
        return json.dumps(content, indent=1) + "\n"


def read(path: pathlib.Path) -> Evaluation:
    """What `to_json` wrote.

    Raises:
      InputError: if the file is not one of these, or of another version.
    """
    try:
        values = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: cannot be read; give the --out of launch.evaluate") from error
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path}: figures of schema {version}, this version reads {SCHEMA_VERSION}; evaluate "
            "again"
        )
    parts = {title: _part_from_json(part) for title, part in values["parts"].items()}
    return Evaluation(values["subject"], parts)


def known(value: float) -> float | None:
    """A number, or None: JSON has no word for what is not one."""
    return float(value) if np.isfinite(value) else None


def _read_as(name: str) -> dict[str, Any]:
    figure = METRICS[name]
    return {
        "title": figure.title, "unit": figure.unit, "least": figure.least, "most": figure.most,
        "better": figure.better, "meaning": figure.meaning,
    }  # fmt: skip


def _part_to_json(part: Part) -> dict[str, Any]:
    return {
        "counts": dict(part.counts),
        "figures": {
            name: {key: known(value) for key, value in dataclasses.asdict(estimate).items()}
            for name, estimate in part.figures.items()
        },
        "series": {
            name: [None if (v := known(value)) is None else round(v, 5) for value in values]
            for name, values in part.series.items()
        },
    }


def _part_from_json(values: Mapping[str, Any]) -> Part:
    return Part(
        values["counts"],
        {name: Estimate(**{key: _number(value) for key, value in one.items()})
         for name, one in values["figures"].items()},
        {name: np.array([_number(value) for value in series])
         for name, series in values["series"].items()},
    )  # fmt: skip


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
