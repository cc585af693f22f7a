"""Table of the metrics of one or several evaluations."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence

from sagan_jax.evaluation import results
from sagan_jax.evaluation.bootstrap import Estimate
from sagan_jax.evaluation.results import METRICS, Better, Evaluation, Metric, Part


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of the table.

    Attributes:
      title: heading.
      part: metrics to show.
      group: name of the people measured; only columns of the same group are ranked.
    """

    title: str
    part: Part
    group: str = ""


@dataclasses.dataclass(frozen=True)
class Cell:
    """One metric of one column.

    Attributes:
      value: formatted value.
      interval: formatted 95 % interval, "" where the metric was not measured.
      best: whether the value is better than all others and the intervals do not overlap.
    """

    value: str
    interval: str
    best: bool


@dataclasses.dataclass(frozen=True)
class Row:
    """One metric of all columns."""

    metric: Metric
    cells: tuple[Cell, ...]


def read(paths: Sequence[pathlib.Path]) -> list[Column]:
    """Reads stored evaluations; returns their columns in order.

    Raises:
      InputError: if a file cannot be read.
    """
    stems = [path.stem for path in paths]
    columns = []
    for path in paths:
        # Files of the same name in several folders are told apart by the folder.
        name = path.stem if stems.count(path.stem) == 1 else f"{path.parent.name}/{path.stem}"
        parts = results.read(path).parts
        # The parts of a checkpoint show different people and are not ranked against each other.
        if len(parts) == 1:
            columns += [Column(name, part) for part in parts.values()]
        else:
            columns += [Column(f"{name}: {title}", part, title) for title, part in parts.items()]
    return columns


def columns_of(evaluation: Evaluation) -> list[Column]:
    """Columns of one evaluation, each its own group: its parts show different people."""
    return [Column(title, part, title) for title, part in evaluation.parts.items()]


def rows(columns: Sequence[Column]) -> Iterator[Row]:
    """Yields a row for every metric that was measured in at least one column."""
    for name, metric in METRICS.items():
        estimates = [column.part.metrics.get(name) for column in columns]
        if any(estimates):
            cells = [
                _cell(metric, estimate, _rivals(i, columns, estimates))
                for i, estimate in enumerate(estimates)
            ]
            yield Row(metric, tuple(cells))


def markdown(columns: Sequence[Column]) -> str:
    """Formats the table as Markdown; the best value of a row is bold."""
    lines = [["figure", *(column.title for column in columns)], ["---"] * (len(columns) + 1)]
    for row in rows(columns):
        unit = f", {row.metric.unit}" if row.metric.unit else ""
        lines.append([f"{row.metric.title}{unit}", *map(_markdown_cell, row.cells)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _markdown_cell(cell: Cell) -> str:
    text = f"{cell.value} {cell.interval}".strip()
    return f"**{text}**" if cell.best else text


def _rivals(
    i: int, columns: Sequence[Column], estimates: Sequence[Estimate | None]
) -> list[Estimate]:
    """Estimates of the other columns in the group of column `i`."""
    return [
        other
        for j, other in enumerate(estimates)
        if other and j != i and columns[j].group == columns[i].group
    ]


def _cell(metric: Metric, estimate: Estimate | None, rivals: Sequence[Estimate]) -> Cell:
    if estimate is None or (value := results.finite_or_none(estimate.value)) is None:
        return Cell("-", "", False)
    low, high = (
        metric.format(results.finite_or_none(end)) for end in (estimate.low, estimate.high)
    )
    best = bool(rivals) and all(_clearly_better(metric, estimate, rival) for rival in rivals)
    return Cell(metric.format(value), f"({low} to {high})", best)


def _clearly_better(metric: Metric, estimate: Estimate, other: Estimate) -> bool:
    if metric.better is Better.NEITHER:
        return False
    # Overlapping intervals may be chance.
    apart = estimate.low > other.high or estimate.high < other.low
    return apart and metric.is_better(estimate.value, other.value)
