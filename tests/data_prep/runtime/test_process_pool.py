"""Tasks in processes that may die. The processes import this file, so it imports little."""

import os

import pytest

from data_prep.runtime import process_pool


def test_a_worker_that_dies_takes_only_its_task_along():
    listener = _Desk()
    process_pool.run(_task, [0.1, -9.0, 0.2, 0.3], listener, 2)
    assert listener.results == {0: 0.2, 2: 0.4, 3: 0.6}
    assert listener.reasons.keys() == {1} and "exit code -9" in listener.reasons[1]
    assert listener.units == pytest.approx({0: 0.1, 2: 0.2, 3: 0.3})
    assert listener.questions == {0: 0.1, 2: 0.2, 3: 0.3}


class _Desk:
    """Notes what it hears; the second and later tasks wait for the first."""

    def __init__(self):
        self.results, self.reasons, self.units, self.questions = {}, {}, {}, {}

    def progress(self, task, units):
        self.units[task] = units

    def answer(self, task, question):
        self.questions[task] = question
        return question if 0 in self.results or task == 0 else process_pool.LATER

    def done(self, task, result):
        self.results[task] = result

    def failed(self, task, reason):
        self.reasons[task] = reason


def _task(number, link):
    if number < 0:
        os.kill(os.getpid(), int(-number))
    link.progress(number)
    return number + link.ask(number)
