"""Runs a Python program and measures its time and memory."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time

# Linux counts the memory that a process inherited from its parent when it was started, which may be
# more than the program ever uses itself. A small process in between therefore starts the program.
# It ignores Ctrl-C, because handling that is up to the program.
_BETWEEN = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
command = [sys.executable, *sys.argv[2:]]
pid = os.posix_spawn(sys.executable, command, os.environ, setsigdef=[signal.SIGINT])
_, status, used = os.wait4(pid, 0)
os.write(int(sys.argv[1]), f"{os.waitstatus_to_exitcode(status)} {used.ru_maxrss}".encode())
"""
# macOS reports the peak memory in bytes, Linux in KiB.
_PER_GIB = 1 << 30 if sys.platform == "darwin" else 1 << 20


@dataclasses.dataclass(frozen=True)
class Usage:
    """Time and memory of a program that has ended.

    Attributes:
      exit_code: 0 for success, negative for the signal that ended the program.
      seconds: wall time, with imports and compilation.
      memory_gib: peak resident memory.
    """

    exit_code: int
    seconds: float
    memory_gib: float


def run(*arguments: str) -> Usage:
    """Runs Python with these arguments, for example `-m`, `launch.prep`, to its end."""
    # The process in between answers through a pipe: its output belongs to the program.
    started, (end, other) = time.monotonic(), os.pipe()
    command = [sys.executable, "-c", _BETWEEN, str(other), *arguments]
    with os.fdopen(end) as answer, subprocess.Popen(command, pass_fds=[other]):
        os.close(other)
        exit_code, memory = map(int, answer.read().split())
    return Usage(exit_code, time.monotonic() - started, memory / _PER_GIB)
