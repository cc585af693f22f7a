"""A pool of worker processes, any of which may die without the others.

`concurrent.futures` breaks its whole pool when one process dies and does not say on which task.
Here only that task fails, and the next one gets a new process.
"""

from __future__ import annotations

import dataclasses
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

# An answer that is not known before other tasks have asked their question or ended.
LATER = object()


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why a task has failed.

    Attributes:
      reason: one line.
      setting: name of the setting that would have to change, see `InputError`; None for none.
    """

    reason: str
    setting: str | None = None


class Context(Protocol):
    """Connects a running task to the listener of its pool."""

    def progress(self, units: float) -> None:
        """Reports the units done since the last report."""

    def ask(self, question: Any) -> Any:
        """Sends a question to the listener and waits for the answer."""


class Listener(Protocol):
    """Receives the events of a pool; a task is identified by its position among the items.

    All methods are called in the process and thread that called `run`.
    """

    def progress(self, task: int, units: float) -> None:
        """Receives the units a task has done since its last report."""

    def answer(self, task: int, question: Any) -> Any:
        """Returns the answer to a question of a task, or `LATER` to be called again.

        `LATER` may only wait for tasks before this one: others may not have been started.
        """

    def done(self, task: int, result: Any) -> None:
        """Receives the result of a task that has succeeded."""

    def failed(self, task: int, failure: Failure) -> None:
        """Receives the failure of a task."""


def run(
    function: Callable[[Any, Context], Any], items: Sequence[Any], listener: Listener, workers: int
) -> None:
    """Runs a task for each item; the tasks of the first items start first.

    If a task raises, that task fails and the others go on. With more than one worker, each is a
    process of its own with an equal share of the cores.

    Args:
      function: the task; defined in a module that can be imported.
      items: first argument of each task.
      listener: receives progress, questions, results and failures.
      workers: maximum number of tasks at a time.
    """
    if min(workers, len(items)) <= 1:
        for task, item in enumerate(items):
            context = _InProcessContext(listener, task)
            _report(listener, task, *_attempt(function, item, context))
        return
    pool = _Pool(function, items, listener, min(workers, len(items)))
    try:
        pool.run()
    finally:
        pool.close()


def _attempt(
    function: Callable[[Any, Context], Any], item: Any, context: Context
) -> tuple[str, Any]:
    """Runs a task; returns "done" and its result, or "failed" and its `Failure`."""
    try:
        return "done", function(item, context)
    except InputError as error:
        return "failed", Failure(str(error), error.setting)
    except Exception as error:
        # A bug, or no memory or disk left: no reason to lose the other tasks.
        logging.error("%s", traceback.format_exc())
        return "failed", Failure(f"{item}: {type(error).__name__}: {error}")


def _report(listener: Listener, task: int, kind: str, content: Any) -> None:
    if kind == "done":
        listener.done(task, content)
    else:
        listener.failed(task, content)


class _InProcessContext:
    """The context of a task in the process of the listener itself."""

    def __init__(self, listener: Listener, task: int):
        self._listener, self._task = listener, task

    def progress(self, units: float) -> None:
        self._listener.progress(self._task, units)

    def ask(self, question: Any) -> Any:
        return self._listener.answer(self._task, question)


class _Pool:
    """Worker processes, and the loop that hands out tasks and receives messages.

    Args:
      function: see `run`.
      items: see `run`.
      listener: see `run`.
      workers: number of processes, at most one per item.
    """

    def __init__(
        self,
        function: Callable[[Any, Context], Any],
        items: Sequence[Any],
        listener: Listener,
        workers: int,
    ):
        self._function, self._items, self._listener = function, items, listener
        self._workers = workers
        # Both are stacks, reversed so that the first task and the first share come first.
        self._todo = list(range(len(items)))[::-1]
        self._free_shares = list(range(workers))[::-1]
        self._busy: dict[connection.Connection, _Worker] = {}
        self._idle: list[_Worker] = []
        self._unanswered: list[tuple[_Worker, Any]] = []

    def run(self) -> None:
        while self._todo or self._busy:
            self._hand_out()
            for pipe in connection.wait(list(self._busy)):
                assert isinstance(pipe, connection.Connection)
                self._receive(self._busy[pipe])
            # After every message: any of them may settle an answer that had to wait.
            self._answer()

    def close(self) -> None:
        for worker in (*self._busy.values(), *self._idle):
            worker.process.terminate()
        for worker in (*self._busy.values(), *self._idle):
            worker.process.join()

    def _hand_out(self) -> None:
        while self._todo and (self._idle or self._free_shares):
            worker = self._idle.pop() if self._idle else self._spawn()
            worker.task = self._todo.pop()
            worker.pipe.send(self._items[worker.task])
            self._busy[worker.pipe] = worker

    def _spawn(self) -> _Worker:
        return _Worker(self._free_shares.pop(), self._workers, self._function)

    def _receive(self, worker: _Worker) -> None:
        """Handles one message of a worker, or its death."""
        try:
            kind, content = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            self._on_crash(worker)
            return
        if kind == "progress":
            self._listener.progress(worker.task, content)
        elif kind == "ask":
            self._unanswered.append((worker, content))
        elif kind == "log":
            logging.get_absl_logger().log(content[0], "%s", content[1])
        else:
            self._idle.append(self._busy.pop(worker.pipe))
            _report(self._listener, worker.task, kind, content)

    def _on_crash(self, worker: _Worker) -> None:
        """Fails the task of a dead worker and frees its share of the cores for a new one."""
        worker.process.join()
        self._free_shares.append(self._busy.pop(worker.pipe).share)
        self._unanswered = [one for one in self._unanswered if one[0] is not worker]
        reason = (
            f"{self._items[worker.task]}: its process ended with exit code "
            f"{worker.process.exitcode}; if memory ran out, use fewer worker processes"
        )
        self._listener.failed(worker.task, Failure(reason))

    def _answer(self) -> None:
        unanswered, self._unanswered = self._unanswered, []
        for worker, question in unanswered:
            answer = self._listener.answer(worker.task, question)
            if answer is LATER:
                self._unanswered.append((worker, question))
            else:
                worker.pipe.send(answer)


class _Worker:
    """A process and the task it runs.

    Spawned and not forked: a copy of a process in which JAX runs threads hangs.

    Attributes:
      share: number of its share of the cores.
      task: position of the current task; -1 before the first.
      pipe: this end of the pipe to the process.
      process: the process.
    """

    def __init__(self, share: int, shares: int, function: Callable[[Any, Context], Any]):
        spawn = multiprocessing.get_context("spawn")
        self.pipe, other_end = spawn.Pipe()
        self.share, self.task = share, -1
        self.process = spawn.Process(
            target=_serve, args=(function, other_end, share, shares), daemon=True
        )
        self.process.start()
        # Only the process may hold the other end: its death is then the end of the pipe.
        other_end.close()


def _serve(
    function: Callable[[Any, Context], Any], pipe: connection.Connection, share: int, shares: int
) -> None:
    """Runs tasks until the process is ended: the main function of a worker process."""
    # Ctrl+C reaches all processes of a terminal; the one that started this one will end it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _take_share(share, shares)
    context = _WorkerContext(pipe)
    stdlib_logging.getLogger().handlers = [_ForwardingHandler(context)]
    logging.set_verbosity(logging.INFO)
    while True:
        item = pipe.recv()
        context.send(*_attempt(function, item, context))


def _end_with_parent() -> None:
    """Ends this process with its parent, even if the parent is killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _take_share(share: int, shares: int) -> None:
    """Limits this process to its share of the cores and to the GPU memory it needs.

    JAX, TensorFlow, LiteRT, FFmpeg and OpenCV all heed the CPU affinity.
    """
    # By default the first worker would take nearly all memory of a GPU.
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        # With more workers than cores, some workers share one.
        os.sched_setaffinity(0, cores[share::shares] or [cores[share % len(cores)]])


class _WorkerContext:
    """The context of a task in a worker process, for any of its threads."""

    def __init__(self, pipe: connection.Connection):
        self._pipe, self._lock = pipe, threading.Lock()

    def send(self, kind: str, content: Any) -> None:
        with self._lock:
            self._pipe.send((kind, content))

    def progress(self, units: float) -> None:
        self.send("progress", units)

    def ask(self, question: Any) -> Any:
        self.send("ask", question)
        return self._pipe.recv()


class _ForwardingHandler(stdlib_logging.Handler):
    """Sends absl messages, and warnings of other libraries, to the process that prints them."""

    def __init__(self, context: _WorkerContext):
        super().__init__()
        self._context = context

    def emit(self, record: stdlib_logging.LogRecord) -> None:
        if record.name == "absl" or record.levelno >= stdlib_logging.WARNING:
            self._context.send("log", (record.levelno, record.getMessage()))
