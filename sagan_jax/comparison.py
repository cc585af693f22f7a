"""Figures of one or several evaluations as a table."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence

from sagan_jax import evaluation
from sagan_jax.bootstrap import Estimate
from sagan_jax.evaluation import Part
from sagan_jax.figures import FIGURES, Better, Figure


@dataclasses.dataclass(frozen=True)
class Column:
    """What is compared.

    Attributes:
      title: of the column.
      part: its figures.
    """

    title: str
    part: Part


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

    figure: Figure
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
        parts = evaluation.read(path).parts
        columns += [
            Column(name if len(parts) == 1 else f"{name}: {title}", part)
            for title, part in parts.items()
        ]
    return columns


def rows(columns: Sequence[Column]) -> Iterator[Row]:
    """Every figure that was measured in any of them."""
    for name, figure in FIGURES.items():
        found = [column.part.figures.get(name) for column in columns]
        if any(found):
            yield Row(figure, tuple(_cell(figure, found, i) for i in range(len(found))))


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


def _cell(figure: Figure, found: Sequence[Estimate | None], i: int) -> Cell:
    one = found[i]
    value, low, high = (
        evaluation.known(number) if one else None
        for number in ((one.value, one.low, one.high) if one else (0.0, 0.0, 0.0))
    )
    if one is None or value is None:
        return Cell("-", "", False)
    interval = f"({figure.text(low)} to {figure.text(high)})"
    others = [other for j, other in enumerate(found) if other and j != i]
    best = bool(others) and all(_clearly_ahead(figure, one, other) for other in others)
    return Cell(figure.text(value), interval, best)


def _clearly_ahead(figure: Figure, one: Estimate, other: Estimate) -> bool:
    if figure.better is Better.NEITHER:
        return False
    apart = one.low > other.high or one.high < other.low
    return apart and figure.ahead(one.value, other.value)
