"""A lock that one process at a time holds, and that dies with its owner."""

import contextlib
import subprocess
import sys

import pytest

from data_prep.errors import InputError
from data_prep.runtime import lock
from tests.support import ROOT

_OWNER = """
import pathlib, sys, time
from data_prep.runtime import lock
with lock.exclusive(pathlib.Path(sys.argv[1]), "never read"):
    print("held", flush=True)
    time.sleep(600)
"""


@contextlib.contextmanager
def _held_by_another_process(path):
    command = [sys.executable, "-c", _OWNER, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_another_process_is_refused_until_the_owner_is_killed(tmp_path):
    path = tmp_path / "lock"
    with _held_by_another_process(path) as owner:
        refused = pytest.raises(InputError, match=f"{tmp_path}: somebody works here")
        with refused, lock.exclusive(path, "somebody works here"):
            pytest.fail("the block ran")
        owner.kill()
        owner.wait()
        with lock.exclusive(path, "somebody works here"):
            assert path.is_file()


def test_the_lock_is_free_again_after_the_block_also_if_it_fails(tmp_path):
    path = tmp_path / "lock"
    with pytest.raises(RuntimeError), lock.exclusive(path, "held"):
        raise RuntimeError
    with lock.exclusive(path, "held"):
        pass
    with _held_by_another_process(path):
        pass
