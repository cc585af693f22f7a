"""Computes items ahead of their consumer in threads, in order, a bounded number at a time."""

from __future__ import annotations

import collections
import itertools
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent import futures
from typing import TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Returns the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fetch(items: Iterator[Item], depth: int) -> Generator[Item]:
    """Runs an iterator in a thread of its own, up to `depth` items ahead of the consumer."""
    end = object()
    # A single thread: an iterator may not be advanced by two at once, and the order is kept.
    with futures.ThreadPoolExecutor(max_workers=1) as worker:
        pending = collections.deque(worker.submit(next, items, end) for _ in range(depth))
        while (item := pending.popleft().result()) is not end:
            pending.append(worker.submit(next, items, end))
            yield cast(Item, item)


def map_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int | None = None
) -> Iterator[Result]:
    """Like `map`, but computes a few results ahead in threads.

    `Executor.map` takes all items at once before Python 3.14: too many for a long video.

    Args:
      function: thread-safe function; gains where it releases the interpreter lock (OpenCV,
        LiteRT, zlib).
      items: items, taken in the calling thread, at most twice as many ahead as there are threads.
      threads: number of threads; None for one per core.
    """
    threads = threads or cores()
    source = iter(items)
    with futures.ThreadPoolExecutor(threads) as pool:
        pending = collections.deque(
            pool.submit(function, item) for item in itertools.islice(source, 2 * threads)
        )
        try:
            while pending:
                yield pending.popleft().result()
                pending.extend(pool.submit(function, item) for item in itertools.islice(source, 1))
        finally:
            # A consumer that stops early should not wait for results that nobody takes.
            for future in pending:
                future.cancel()
