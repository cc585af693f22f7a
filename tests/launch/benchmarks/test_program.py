"""Programs whose memory, end and time are known."""

import signal

import numpy as np
import pytest

from launch.benchmarks import program


def test_memory_is_that_of_the_program_and_not_of_who_started_it():
    ours = np.ones(100 << 20)  # 0.8 GiB, resident
    nothing = program.run("-c", "pass")
    some = program.run("-c", "held = b'x' * (300 << 20)")
    assert ours[-1] and nothing.exit_code == some.exit_code == 0
    assert nothing.memory_gib < 0.1
    assert some.memory_gib - nothing.memory_gib == pytest.approx(300 / 1024, abs=0.02)


def test_how_it_ended_is_told():
    assert program.run("-c", "raise SystemExit(3)").exit_code == 3
    killed = program.run("-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)")
    assert killed.exit_code == -signal.SIGTERM


def test_it_is_interrupted_as_if_it_had_been_started_directly():
    """Ctrl-C reaches every process of the terminal."""
    used = program.run("-c", "import signal; signal.raise_signal(2)")
    assert used.exit_code == -signal.SIGINT and used.seconds < 20
