"""Work ahead of the one who takes the results, in threads, in order and within bounds."""

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
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fetch(items: Iterator[Item], depth: int) -> Generator[Item]:
    """Runs an iterator in a thread of its own, so many items ahead."""
    end = object()
    with futures.ThreadPoolExecutor(max_workers=1) as worker:
        following = collections.deque(worker.submit(next, items, end) for _ in range(depth))
        while (item := following.popleft().result()) is not end:
            following.append(worker.submit(next, items, end))
            yield cast(Item, item)


def map_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int | None = None
) -> Iterator[Result]:
    """As `map`, with a few results made ahead in threads.

    `Executor.map` takes all items at once before Python 3.14, which a long video forbids.

    Args:
      function: thread-safe; pays off where it leaves the interpreter (OpenCV, LiteRT, zlib).
      items: taken in this thread, at most twice as many ahead as there are threads.
      threads: default: one a core.
    """
    threads = threads or cores()
    source = iter(items)
    with futures.ThreadPoolExecutor(threads) as pool:
        waiting = collections.deque(
            pool.submit(function, item) for item in itertools.islice(source, 2 * threads)
        )
        try:
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(function, item) for item in itertools.islice(source, 1))
        finally:
            for future in waiting:
                future.cancel()
