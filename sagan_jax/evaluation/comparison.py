"""Figures of one or several evaluations as a table."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Iterator, Sequence

from sagan_jax.evaluation import results
from sagan_jax.evaluation.bootstrap import Estimate
from sagan_jax.evaluation.metric_definitions import METRICS, Better, Metric
from sagan_jax.evaluation.results import Evaluation, Part


@dataclasses.dataclass(frozen=True)
class Column:
    """What is compared.

    Attributes:
      title: of the column.
      part: its figures.
      of: what they are of; only columns of the same are ranked.
    """

    title: str
    part: Part
    of: str = ""


@dataclasses.dataclass(frozen=True)
class Cell:
    """One figure of one column.

    Attributes:
      value: as text.
      interval: of 95 %, as text; "" where there is none.
      best: whether it is better than all others, and the intervals do not touch.
    """

    value: str
    interval: str
    best: bool


@dataclasses.dataclass(frozen=True)
class Row:
    """One figure of all columns."""

    figure: Metric
    cells: tuple[Cell, ...]


def read(paths: Sequence[pathlib.Path]) -> list[Column]:
    """The columns of stored evaluations, in order.

    Raises:
      InputError: if one of them cannot be read.
    """
    stems = [path.stem for path in paths]
    columns = []
    for path in paths:
        name = path.stem if stems.count(path.stem) == 1 else f"{path.parent.name}/{path.stem}"
        parts = results.read(path).parts
        if len(parts) == 1:
            columns += [Column(name, part) for part in parts.values()]
        else:
            columns += [Column(f"{name}: {title}", part, title) for title, part in parts.items()]
    return columns


def of(found: Evaluation) -> list[Column]:
    """The columns of one evaluation; its parts are of different people."""
    return [Column(title, part, title) for title, part in found.parts.items()]


def rows(columns: Sequence[Column]) -> Iterator[Row]:
    """Every figure that was measured in any of them."""
    for name, figure in METRICS.items():
        found = [column.part.figures.get(name) for column in columns]
        if any(found):
            rivals = [
                [other for j, other in enumerate(found)
                 if other and j != i and columns[j].of == columns[i].of]
                for i in range(len(columns))
            ]  # fmt: skip
            yield Row(figure, tuple(map(functools.partial(_cell, figure), found, rivals)))


def markdown(columns: Sequence[Column]) -> str:
    """The table as text."""
    lines = [["figure", *(column.title for column in columns)], ["---"] * (len(columns) + 1)]
    for row in rows(columns):
        unit = f", {row.figure.unit}" if row.figure.unit else ""
        cells = [f"{cell.value} {cell.interval}".strip() for cell in row.cells]
        marked = [f"**{text}**" if cell.best else text
                  for text, cell in zip(cells, row.cells, strict=True)]  # fmt: skip
        lines.append([f"{row.figure.title}{unit}", *marked])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(figure: Metric, one: Estimate | None, rivals: Sequence[Estimate]) -> Cell:
    if one is None or (value := results.known(one.value)) is None:
        return Cell("-", "", False)
    low, high = (figure.text(results.known(end)) for end in (one.low, one.high))
    best = bool(rivals) and all(_clearly_ahead(figure, one, other) for other in rivals)
    return Cell(figure.text(value), f"({low} to {high})", best)


def _clearly_ahead(figure: Metric, one: Estimate, other: Estimate) -> bool:
    if figure.better is Better.NEITHER:
        return False
    apart = one.low > other.high or one.high < other.low
    return apart and figure.ahead(one.value, other.value)
