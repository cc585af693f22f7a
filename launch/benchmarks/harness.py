"""Timing, tables and their files, for all benchmarks.

A benchmark is a function that yields a `Table` as soon as it is measured. `launch.benchmark` prints
the tables under the machine and the versions and writes them as JSON, and `launch.docs_tables`
writes that JSON into the documentation.
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

from data_prep.runtime.files import write_atomically

SCHEMA_VERSION = "1.0.0"
Value = str | int | float | None


@dataclasses.dataclass(frozen=True)
class Cost:
    """Cost of one run for each item (frame, image, step).

    Attributes:
      cpu_ms: user and system time of all threads of the process, milliseconds.
      wall_ms: wall time, milliseconds.
    """

    cpu_ms: float
    wall_ms: float


@dataclasses.dataclass(frozen=True)
class Table:
    """One table of results.

    Attributes:
      title: what was measured, and on which data.
      records: the rows, each from column to value; None is printed as "-".
      notes: how it was measured; printed below the table.
    """

    title: str
    records: Sequence[Mapping[str, Value]]
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        """Formats the table as Markdown, with title and notes; values are rounded."""
        columns = list(self.records[0])
        rows = [[_text(record[column]) for column in columns] for record in self.records]
        lines = [f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *rows)]
        return "\n".join([f"{self.title}\n", *lines, "", *self.notes])


def cost_of(work: Callable[[], object], items: int) -> Cost:
    """Runs `work`, which handles `items` items in this process; returns the cost of an item."""
    # Process time includes all threads, but not other programs on the machine.
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Cost(
        1000 * (time.process_time() - cpu) / items, 1000 * (time.perf_counter() - wall) / items
    )


def alternate(
    contestants: Mapping[str, Callable[[], Cost]], rounds: int
) -> dict[str, tuple[Cost, Cost]]:
    """Runs all contestants in turn, round by round, so that a slow moment affects all of them.

    Args:
      contestants: by name, functions that run once and return their cost.
      rounds: number of rounds to measure, after one that compiles and is not counted.

    Returns:
      By name the least and the median cost. The least CPU time is the one least disturbed by
      other processes.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in contestants}
    for _ in range(rounds + 1):
        for name, run in contestants.items():
            costs[name].append(run())
    return {
        name: (_reduce(min, each[1:]), _reduce(statistics.median, each[1:]))
        for name, each in costs.items()
    }


def machine() -> dict[str, Value]:
    """Processor, its usable cores, the devices JAX sees, and the version of Python."""
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
    """All tables of one benchmark, and where and how they were measured.

    Attributes:
      command: command line that measures them.
      date: date of the measurement, ISO 8601.
      machine: from `machine`.
      versions: from `versions`.
      tables: tables with unrounded values.
    """

    command: str
    date: str
    machine: Mapping[str, Value]
    versions: Mapping[str, Value]
    tables: Sequence[Table] = ()

    @classmethod
    def here(cls, command: str) -> Measurement:
        """Starts a measurement on this machine, without tables yet."""
        packages = versions("jax", "jaxlib", "flax", "numpy", "opencv-python-headless")
        return cls(command, datetime.date.today().isoformat(), machine(), packages)

    def heading(self) -> str:
        """One line with machine, versions and date, to print above the tables."""
        about = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        where = self.machine
        return (
            f"{where['processor']}, {where['cores']} cores, JAX on {where['devices']}; "
            f"Python {where['python']}, {about}; {self.date}"
        )

    def write(self, path: pathlib.Path, tables: Iterable[Table]) -> None:
        """Writes the measurement, with these tables, as JSON."""
        content = dataclasses.asdict(dataclasses.replace(self, tables=list(tables)))
        text = json.dumps({"schema_version": SCHEMA_VERSION} | content, indent=2) + "\n"
        with write_atomically(path) as aside:
            aside.write_text(text)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Measurement:
        """Reads the values of the JSON that `write` wrote."""
        tables = [Table(**table) for table in values["tables"]]
        names = (field.name for field in dataclasses.fields(cls) if field.name != "tables")
        return cls(**{name: values[name] for name in names}, tables=tables)


def _reduce(how: Callable[[list[float]], float], costs: Sequence[Cost]) -> Cost:
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
