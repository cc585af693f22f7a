"""Progress of long work: how much is done, how fast, and the time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TypeVar

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

T = TypeVar("T")

# Often enough to follow a log, and rare enough to keep it short.
_LINE_EVERY_S = 10.0


class _Rate(ProgressColumn):
    """Column that shows the units done per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:.1f} {task.fields['unit']}/s")


class Progress:
    """A progress bar on a terminal, or a line every 10 s if the output goes to a file.

    Args:
      stage: name of the work, a few words.
      total: number of units.
      unit: name of the unit, plural.
      done: number of units done by an earlier run.
    """

    def __init__(self, stage: str, *, total: int, unit: str, done: int = 0):
        self._stage, self._total, self._unit = stage, total, unit
        # The rate counts only this run.
        self._done = self._done_before = done
        self._note = ""
        self._started = self._last_line = time.monotonic()
        self._bar: RichProgress | None = None
        if sys.stderr.isatty():
            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                _Rate(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
            )

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.start()
            self._task = self._bar.add_task(
                self._stage, total=self._total, completed=self._done, unit=self._unit, note=""
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()
        elif kind is None:
            self._print()

    def advance(self, units: int, note: str = "") -> None:
        """Counts units done.

        Args:
          units: number of units done since the last call.
          note: a few words about them, shown behind the numbers.
        """
        self._done += units
        self._note = note
        if self._bar:
            self._bar.update(self._task, advance=units, note=note)
        elif time.monotonic() - self._last_line >= _LINE_EVERY_S:
            self._last_line = time.monotonic()
            self._print()

    def track(self, items: Iterable[T]) -> Iterator[T]:
        """Yields the items and counts each when the consumer has finished with it."""
        for item in items:
            yield item
            self.advance(1)

    def _print(self) -> None:
        seconds = max(time.monotonic() - self._started, 1e-9)
        rate = (self._done - self._done_before) / seconds
        left = max(self._total - self._done, 0) / rate if rate else float("inf")
        note = f", {self._note}" if self._note else ""
        print(
            f"{self._stage}: {self._done}/{self._total} {self._unit}, {rate:.1f}/s, "
            f"{seconds:.0f} s so far, {left:.0f} s left{note}",
            file=sys.stderr,
            flush=True,
        )
