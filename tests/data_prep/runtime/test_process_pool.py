"""Tasks in processes that may die. The processes import this file, so it imports little."""

import os

import pytest

from data_prep.errors import InputError
from data_prep.runtime import process_pool
from data_prep.runtime.process_pool import Failure


def test_a_worker_that_dies_fails_only_its_own_task():
    listener = _Listener()
    process_pool.run(_task, [0.1, -9.0, 0.2, 0.3], listener, 2)
    assert listener.results == {0: 0.2, 2: 0.4, 3: 0.6}
    assert listener.failures.keys() == {1} and "exit code -9" in listener.failures[1].reason
    assert listener.failures[1].setting is None
    assert listener.units == pytest.approx({0: 0.1, 2: 0.2, 3: 0.3})
    assert listener.questions == {0: 0.1, 2: 0.2, 3: 0.3}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_setting_of_an_input_error_survives_the_process(workers):
    listener = _Listener()
    process_pool.run(_refuse, ["a", "b", None], listener, workers)
    assert listener.results == {}
    assert listener.failures[0] == Failure("cannot be used", "a")
    assert listener.failures[1] == Failure("cannot be used", "b")
    # Any other error is a bug, which no setting mends.
    assert listener.failures[2] == Failure("None: AssertionError: a bug", None)


class _Listener:
    """Records all events; the answers to later tasks wait for the result of the first."""

    def __init__(self):
        self.results, self.failures, self.units, self.questions = {}, {}, {}, {}

    def progress(self, task, units):
        self.units[task] = units

    def answer(self, task, question):
        self.questions[task] = question
        return question if 0 in self.results or task == 0 else process_pool.LATER

    def done(self, task, result):
        self.results[task] = result

    def failed(self, task, failure):
        self.failures[task] = failure


def _task(number, context):
    if number < 0:
        os.kill(os.getpid(), int(-number))
    context.progress(number)
    return number + context.ask(number)


def _refuse(setting, context):
    del context
    if setting is None:
        raise AssertionError("a bug")
    raise InputError("cannot be used", setting=setting)
