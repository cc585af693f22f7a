"""Programs with known memory and exit code."""

import signal

import numpy as np
import pytest

from launch.benchmarks import program


def test_memory_is_that_of_the_program_not_of_its_parent():
    ours = np.ones(100 << 20)  # 0.8 GiB, resident
    nothing = program.run("-c", "pass")
    some = program.run("-c", "held = b'x' * (300 << 20)")
    assert ours[-1] and nothing.exit_code == some.exit_code == 0
    assert nothing.memory_gib < 0.1
    assert some.memory_gib - nothing.memory_gib == pytest.approx(300 / 1024, abs=0.02)


def test_exit_codes_and_signals_are_reported():
    assert program.run("-c", "raise SystemExit(3)").exit_code == 3
    killed = program.run("-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)")
    assert killed.exit_code == -signal.SIGTERM


def test_an_interrupt_ends_the_program_as_if_started_directly():
    """Ctrl-C reaches every process of the terminal."""
    usage = program.run("-c", "import signal; signal.raise_signal(2)")
    assert usage.exit_code == -signal.SIGINT and usage.seconds < 20
