"""Progress of everything long: how far, how fast, how much longer."""

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

_LINE_EVERY_S = 10.0


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:.1f} {task.fields['unit']}/s")


class Progress:
    """A bar on a terminal; a line every 10 s where the output goes to a file.

    Args:
      what: the stage, a few words.
      total: how many units there are.
      unit: what is counted, plural.
      done: units that were done before, in an earlier run.
    """

    def __init__(self, what: str, *, total: int, unit: str, done: int = 0):
        self._what, self._total, self._unit = what, total, unit
        self._done = self._before = done
        self._note = ""
        self._started = self._last_line = time.monotonic()
        self._bar: RichProgress | None = None
        if sys.stderr.isatty():
            self._bar = RichProgress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                _Rate(), TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
            )  # fmt: skip

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.start()
            self._task = self._bar.add_task(
                self._what, total=self._total, completed=self._done, unit=self._unit, note=""
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
        """Counts units done; a note of a few words tells what came of them."""
        self._done += units
        self._note = note
        if self._bar:
            self._bar.update(self._task, advance=units, note=note)
        elif time.monotonic() - self._last_line >= _LINE_EVERY_S:
            self._last_line = time.monotonic()
            self._print()

    def track(self, items: Iterable[T]) -> Iterator[T]:
        """Passes items on and counts each."""
        for item in items:
            yield item
            self.advance(1)

    def _print(self) -> None:
        seconds = max(time.monotonic() - self._started, 1e-9)
        rate = (self._done - self._before) / seconds
        left = max(self._total - self._done, 0) / rate if rate else float("inf")
        print(
            f"{self._what}: {self._done}/{self._total} {self._unit}, {rate:.1f}/s, "
            f"{seconds:.0f} s so far, {left:.0f} s left{self._note and ', '}{self._note}",
            file=sys.stderr,
            flush=True,
        )
