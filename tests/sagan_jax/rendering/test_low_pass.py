"""The low-pass filter against SciPy's."""

import json

import numpy as np
import scipy.signal

from sagan_jax.rendering.low_pass import LowPass

_VALUES = np.random.default_rng(0).normal(size=(50, 3))


def _filtered(low_pass, values, step_us=40_000, first=0):
    return [low_pass({"x": value}, (first + i) * step_us)["x"] for i, value in enumerate(values)]


def test_output_is_that_of_the_first_order_filter():
    share = 1 - np.exp(-0.04 / 0.4)
    start = (1 - share) * _VALUES[:1]  # as if the input had always been the first value
    expected, _ = scipy.signal.lfilter([share], [1, share - 1], _VALUES, axis=0, zi=start)
    np.testing.assert_allclose(_filtered(LowPass(0.4), _VALUES), expected)


def test_two_half_steps_are_one_step():
    """Holds while the input stays constant."""
    once, twice = LowPass(0.4), LowPass(0.4)
    for low_pass in (once, twice):
        low_pass({"x": np.zeros(1)}, 0)
    twice({"x": np.ones(1)}, 30_000)
    np.testing.assert_allclose(
        once({"x": np.ones(1)}, 60_000)["x"], twice({"x": np.ones(1)}, 60_000)["x"]
    )


def test_time_constant_of_zero_disables_the_filter():
    np.testing.assert_allclose(_filtered(LowPass(0.0), _VALUES), _VALUES)


def test_last_output_is_recent_for_a_while():
    low_pass = LowPass(0.4)
    assert low_pass.recent(0, 0.1) is None
    output = low_pass({"x": np.ones(3)}, 40_000)
    assert low_pass.recent(140_000, 0.1) is output and low_pass.recent(140_001, 0.1) is None


def test_restored_filter_continues_like_the_original():
    whole, half, rest = LowPass(0.4), LowPass(0.4), LowPass(0.4)
    _filtered(half, _VALUES[:20])
    rest.restore(json.loads(json.dumps(half.state())))
    np.testing.assert_array_equal(
        _filtered(rest, _VALUES[20:], first=20), _filtered(whole, _VALUES)[20:]
    )
