"""What every benchmark shares: the machine, fair timing, and tables as Markdown and JSON.

A benchmark is a function that yields a `Table` as soon as it is measured; `launch.benchmark`
prints them under the machine and the versions, writes them as JSON, and `launch.docs_tables`
sets that JSON into the README. `comparison` is the whole way for what is timed.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import json
import pathlib
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import joblib

SCHEMA_VERSION = "1.0.0"
Value = str | int | float | None


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one run cost, by item (frame, image, step).

    Attributes:
      cpu_ms: user and system time of all threads of the process, milliseconds.
      wall_ms: time passed, milliseconds.
    """

    cpu_ms: float
    wall_ms: float


@dataclasses.dataclass(frozen=True)
class Table:
    """One table of results.

    Attributes:
      title: what was measured, and on what.
      records: the rows, each from column to value; None is printed as "-".
      notes: what the reader must know to trust it.
    """

    title: str
    records: Sequence[Mapping[str, Value]]
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        columns = list(self.records[0])
        rows = [[_text(record[column]) for column in columns] for record in self.records]
        lines = [columns, ["---"] * len(columns), *rows]
        return "\n".join(
            [f"{self.title}\n", *(f"| {' | '.join(line)} |" for line in lines), "", *self.notes]
        )


def cost_of(work: Callable[[], object], items: int) -> Cost:
    """Runs `work`, which handles `items` items in this process."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Cost(
        1000 * (time.process_time() - cpu) / items, 1000 * (time.perf_counter() - wall) / items
    )


def alternate(
    contestants: Mapping[str, Callable[[], Cost]], rounds: int
) -> dict[str, tuple[Cost, Cost]]:
    """Runs all in turn, again and again, so that a slow moment of the machine meets all.

    Args:
      contestants: by name, what runs once and tells its cost.
      rounds: how often each is measured; one more, which compiles, comes first and is left out.

    Returns:
      By name the least and the median cost. CPU time least disturbed by others is the least.
    """
    return {
        name: (_fold(min, costs), _fold(statistics.median, costs))
        for name, costs in alternating_rounds(contestants, rounds).items()
    }


def alternating_rounds(
    contestants: Mapping[str, Callable[[], Cost]], rounds: int
) -> dict[str, list[Cost]]:
    """As `alternate`, but every round by itself."""
    costs: dict[str, list[Cost]] = {name: [] for name in contestants}
    for _ in range(rounds + 1):
        for name, run in contestants.items():
            costs[name].append(run())
    return {name: all_[1:] for name, all_ in costs.items()}


def ratio(costs: Sequence[Cost], to: Sequence[Cost]) -> float:
    """Times as long as another took: the median over the rounds that both ran side by side."""
    return statistics.median(a.wall_ms / b.wall_ms for a, b in zip(costs, to, strict=True))


def comparison(
    title: str,
    contestants: Mapping[str, Callable[[], Cost]],
    rounds: int,
    *,
    item: str,
    baseline: str,
    notes: Sequence[str] = (),
) -> Table:
    """Times several ways to do one thing, in turn.

    Args:
      title: of the table.
      contestants: by name, what runs once and tells its cost.
      rounds: how often each is measured, after one more that compiles.
      item: what is counted, singular ("frame").
      baseline: name of the one that the others are compared with.
      notes: below the table.

    Returns:
      Rows of median time and least CPU time an item, items a second, and the ratio of times.
    """
    measured = alternating_rounds(contestants, rounds)
    records: list[dict[str, Value]] = []
    for name, costs in measured.items():
        median, least = _fold(statistics.median, costs), _fold(min, costs)
        records.append({
            "what": name,
            f"ms a {item}": median.wall_ms,
            f"CPU-ms a {item}": least.cpu_ms,
            f"{item}s/s": 1000 / median.wall_ms,
            f"time, of {baseline}": ratio(costs, measured[baseline]),
        })  # fmt: skip
    how = (
        f"ms and {item}s/s: median of {rounds} rounds in which all ran in turn, after one that "
        f"compiled; CPU-ms: user and system time of all threads, the least; of {baseline}: median "
        "of the ratios within a round."
    )
    return Table(title, records, (how, *notes))


def machine() -> dict[str, Value]:
    """The processor, its cores that we may use, the devices JAX sees, the Python."""
    devices = jax.local_devices()
    return {
        "processor": _processor(),
        "cores": joblib.cpu_count(),
        "devices": f"{len(devices)} {devices[0].device_kind}",
        "python": platform.python_version(),
    }


def versions(*packages: str) -> dict[str, Value]:
    """Installed versions of packages."""
    return {package: importlib.metadata.version(package) for package in packages}


@dataclasses.dataclass(frozen=True)
class Measurement:
    """All tables of one benchmark, and where they come from.

    Attributes:
      command: that measured them.
      date: of the measurement, ISO 8601.
      machine: from `machine`.
      versions: from `versions`.
      tables: with unrounded values.
    """

    command: str
    date: str
    machine: Mapping[str, Value]
    versions: Mapping[str, Value]
    tables: Sequence[Table] = ()

    @classmethod
    def here(cls, command: str) -> Measurement:
        """One that begins now, on this machine."""
        packages = versions("jax", "jaxlib", "flax", "numpy", "opencv-python-headless")
        return cls(command, datetime.date.today().isoformat(), machine(), packages)

    def heading(self) -> str:
        """The line above all tables: where and with what they were measured."""
        about = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        where = self.machine
        return (
            f"{where['processor']}, {where['cores']} cores, JAX on {where['devices']}; "
            f"Python {where['python']}, {about}; {self.date}"
        )

    def write(self, path: pathlib.Path, tables: Iterable[Table]) -> None:
        """Writes it, with these tables, as JSON."""
        content = dataclasses.asdict(dataclasses.replace(self, tables=list(tables)))
        aside = path.with_name(f"{path.name}.partial")
        aside.write_text(json.dumps({"schema_version": SCHEMA_VERSION} | content, indent=2) + "\n")
        aside.replace(path)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Measurement:
        """What `write` wrote."""
        tables = [Table(**table) for table in values["tables"]]
        names = (field.name for field in dataclasses.fields(cls) if field.name != "tables")
        return cls(**{name: values[name] for name in names}, tables=tables)


def _fold(how: Callable[[list[float]], float], costs: Sequence[Cost]) -> Cost:
    return Cost(how([cost.cpu_ms for cost in costs]), how([cost.wall_ms for cost in costs]))


def _text(value: Value) -> str:
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _processor() -> str:
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
