"""Tasks in several processes, one of which may die without the others.

`concurrent.futures` breaks its whole pool when one process dies and does not say on which
task; here that task fails and the next one gets a new process.
"""

from __future__ import annotations

import logging as stdlib_logging
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from multiprocessing import connection
from typing import Any, Protocol

from absl import logging

from data_prep.errors import InputError

# An answer that has to wait for what other tasks say first.
LATER = object()


class Context(Protocol):
    """How a task speaks with who started it."""

    def progress(self, units: float) -> None:
        """Reports units done since the last report."""

    def ask(self, question: Any) -> Any:
        """Waits for an answer."""


class Listener(Protocol):
    """Who started the tasks; a task is known by its position."""

    def progress(self, task: int, units: float) -> None:
        """Hears of units done."""

    def answer(self, task: int, question: Any) -> Any:
        """Answers, or says `LATER`; it may then only wait for tasks before this one."""

    def done(self, task: int, result: Any) -> None:
        """Hears of a task that ended well."""

    def failed(self, task: int, reason: str) -> None:
        """Hears of a task that did not, and why."""


def run(
    function: Callable[[Any, Context], Any], items: Sequence[Any], listener: Listener, workers: int
) -> None:
    """Does a task for each item; those of the first items are begun first.

    A task that raises fails, the others go on. With more than one worker each is a process
    of its own, with its share of the cores.

    Args:
      function: the task, of a module that can be imported.
      items: what it is done for.
      desk: who hears of it.
      workers: tasks at a time.
    """
    if min(workers, len(items)) <= 1:
        for task, item in enumerate(items):
            _report(listener, task, *_attempt(function, item, _InProcessContext(listener, task)))
        return
    pool = _Pool(function, items, listener, min(workers, len(items)))
    try:
        pool.run()
    finally:
        pool.close()


def _attempt(function: Callable[[Any, Context], Any], item: Any, link: Context) -> tuple[str, Any]:
    try:
        return "done", function(item, link)
    except InputError as error:
        return "failed", str(error)
    except Exception as error:  # a bug, or no memory or disk: no reason to lose the other tasks
        logging.error("%s", traceback.format_exc())
        return "failed", f"{item}: {type(error).__name__}: {error}"


def _report(listener: Listener, task: int, kind: str, content: Any) -> None:
    (listener.done if kind == "done" else listener.failed)(task, content)


class _InProcessContext:
    """The link of a task in this very process."""

    def __init__(self, listener: Listener, task: int):
        self._desk, self._task = listener, task

    def progress(self, units: float) -> None:
        self._desk.progress(self._task, units)

    def ask(self, question: Any) -> Any:
        return self._desk.answer(self._task, question)


class _Pool:
    """The processes, and the desk they talk to."""

    def __init__(
        self,
        function: Callable[[Any, Context], Any],
        items: Sequence[Any],
        listener: Listener,
        workers: int,
    ):
        self._function, self._items, self._desk = function, items, listener
        self._todo = list(range(len(items)))[::-1]
        self._free = list(range(workers))[::-1]
        self._workers = workers
        self._busy: dict[connection.Connection, _Worker] = {}
        self._idle: list[_Worker] = []
        self._waiting: list[tuple[_Worker, Any]] = []

    def run(self) -> None:
        while self._todo or self._busy:
            self._hand_out()
            for link in connection.wait(list(self._busy)):
                assert isinstance(link, connection.Connection)
                self._receive(self._busy[link])
            self._answer()

    def close(self) -> None:
        for worker in (*self._busy.values(), *self._idle):
            worker.process.terminate()
        for worker in (*self._busy.values(), *self._idle):
            worker.process.join()

    def _hand_out(self) -> None:
        while self._todo and (self._idle or self._free):
            worker = self._idle.pop() if self._idle else self._spawn()
            worker.task = self._todo.pop()
            worker.link.send(self._items[worker.task])
            self._busy[worker.link] = worker

    def _spawn(self) -> _Worker:
        place = self._free.pop()
        return _Worker(place, self._workers, self._function)

    def _receive(self, worker: _Worker) -> None:
        try:
            kind, content = worker.link.recv()
        except (EOFError, ConnectionResetError):
            self._on_crash(worker)
            return
        if kind == "progress":
            self._desk.progress(worker.task, content)
        elif kind == "ask":
            self._waiting.append((worker, content))
        elif kind == "log":
            logging.get_absl_logger().log(content[0], "%s", content[1])
        else:
            self._idle.append(self._busy.pop(worker.link))
            _report(self._desk, worker.task, kind, content)

    def _on_crash(self, worker: _Worker) -> None:
        worker.process.join()
        self._free.append(self._busy.pop(worker.link).place)
        self._waiting = [one for one in self._waiting if one[0] is not worker]
        self._desk.failed(
            worker.task,
            f"{self._items[worker.task]}: its process ended with exit code "
            f"{worker.process.exitcode}; if memory ran out, use fewer --workers",
        )

    def _answer(self) -> None:
        waiting, self._waiting = self._waiting, []
        for worker, question in waiting:
            answer = self._desk.answer(worker.task, question)
            if answer is LATER:
                self._waiting.append((worker, question))
            else:
                worker.link.send(answer)


class _Worker:
    """A process and the task it does.

    Started afresh and not forked: a copy of a process in which JAX runs threads hangs.
    """

    def __init__(self, place: int, places: int, function: Callable[[Any, Context], Any]):
        context = multiprocessing.get_context("spawn")
        self.link, theirs = context.Pipe()
        self.place, self.task = place, -1
        self.process = context.Process(
            target=_serve, args=(function, theirs, place, places), daemon=True
        )
        self.process.start()
        theirs.close()


def _serve(
    function: Callable[[Any, Context], Any], link: connection.Connection, place: int, places: int
) -> None:
    """The life of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started it will end it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _take_share(place, places)
    there = _WorkerContext(link)
    stdlib_logging.getLogger().handlers = [_Forward(there)]
    logging.set_verbosity(logging.INFO)
    while True:
        item = link.recv()
        there.send(*_attempt(function, item, there))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _take_share(place: int, places: int) -> None:
    """Of the cores: JAX, TensorFlow, LiteRT, FFmpeg and OpenCV all heed the affinity."""
    # Of a GPU, which JAX would take whole, every worker takes what it needs.
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[place::places] or [cores[place % len(cores)]])


class _WorkerContext:
    """The link of a task in a worker process; used from any of its threads."""

    def __init__(self, link: connection.Connection):
        self._link, self._lock = link, threading.Lock()

    def send(self, kind: str, content: Any) -> None:
        with self._lock:
            self._link.send((kind, content))

    def progress(self, units: float) -> None:
        self.send("progress", units)

    def ask(self, question: Any) -> Any:
        self.send("ask", question)
        return self._link.recv()


class _Forward(stdlib_logging.Handler):
    """Our messages, and the warnings of others, to the one process that prints."""

    def __init__(self, there: _WorkerContext):
        super().__init__()
        self._there = there

    def emit(self, record: stdlib_logging.LogRecord) -> None:
        if record.name == "absl" or record.levelno >= stdlib_logging.WARNING:
            self._there.send("log", (record.levelno, record.getMessage()))
