"""What every benchmark shares: the machine, fair timing, and tables as Markdown and JSON."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import pathlib
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import jax
import joblib

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
    costs: dict[str, list[Cost]] = {name: [] for name in contestants}
    for _ in range(rounds + 1):
        for name, run in contestants.items():
            costs[name].append(run())
    return {name: (_fold(min, all_[1:]), _fold(statistics.median, all_[1:]))
            for name, all_ in costs.items()}  # fmt: skip


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


def heading(packages: Mapping[str, Value]) -> str:
    """The line above all tables: where and with what they were measured."""
    described = machine()
    about = ", ".join(f"{name} {version}" for name, version in packages.items())
    return (
        f"{described['processor']}, {described['cores']} cores, JAX on {described['devices']}; "
        f"Python {described['python']}, {about}"
    )


def write_json(path: pathlib.Path, tables: Sequence[Table], packages: Mapping[str, Value]) -> None:
    """Machine, versions and all tables with unrounded values."""
    content = {
        "machine": machine(),
        "versions": dict(packages),
        "tables": [dataclasses.asdict(table) for table in tables],
    }
    aside = path.with_name(f"{path.name}.partial")
    aside.write_text(json.dumps(content, indent=2) + "\n")
    aside.replace(path)


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
