"""Runs one of our programs and says what it took."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time

# Linux counts as memory of a process also what its parent had when it was started, which may be
# more than the program ever has. So a small process in between starts it, and waits through a
# Ctrl-C, which is the program's to answer.
_BETWEEN = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
command = [sys.executable, *sys.argv[2:]]
pid = os.posix_spawn(sys.executable, command, os.environ, setsigdef=[signal.SIGINT])
_, status, used = os.wait4(pid, 0)
os.write(int(sys.argv[1]), f"{os.waitstatus_to_exitcode(status)} {used.ru_maxrss}".encode())
"""
_PER_GIB = 1 << 30 if sys.platform == "darwin" else 1 << 20


@dataclasses.dataclass(frozen=True)
class Used:
    """What a program took.

    Attributes:
      exit_code: 0 if all was well, negative the signal that ended it.
      seconds: from start to end, with imports and compilation.
      memory_gib: the most that was resident.
    """

    exit_code: int
    seconds: float
    memory_gib: float


def run(*arguments: str) -> Used:
    """Runs Python with these arguments, for example `-m`, `launch.prep`, to its end."""
    started, (end, other) = time.monotonic(), os.pipe()
    command = [sys.executable, "-c", _BETWEEN, str(other), *arguments]
    with os.fdopen(end) as answer, subprocess.Popen(command, pass_fds=[other]):
        os.close(other)
        exit_code, memory = map(int, answer.read().split())
    return Used(exit_code, time.monotonic() - started, memory / _PER_GIB)
