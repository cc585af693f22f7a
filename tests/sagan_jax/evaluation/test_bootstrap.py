"""Coverage of the intervals on series whose mean is known."""

import numpy as np
import pytest

from sagan_jax.evaluation.bootstrap import Series, bootstrap, jackknife


def _autocorrelated(seed, count=600, keeps=0.9):
    """Values of mean 0 that resemble their neighbours, as frames do (an AR(1) process)."""
    values = np.random.default_rng(seed).normal(size=count)
    for i in range(1, count):
        values[i] += keeps * values[i - 1]
    return values


def _covered(block):
    """Number of series, of 60, whose interval contains the true mean."""
    estimates = [bootstrap(np.mean, Series((_autocorrelated(seed),), block)) for seed in range(60)]
    return sum(one.low < 0 < one.high for one in estimates)


def test_blocks_cover_the_mean_where_single_frames_do_not():
    # 95 % of 60 are 57; correlations of 0.9 to the next value have nearly vanished after 50.
    assert _covered(50) >= 50
    assert _covered(1) <= 30


def test_independent_values_have_the_textbook_interval():
    values = np.random.default_rng(0).normal(size=2000)
    estimate = bootstrap(np.mean, Series((values,), 1))
    assert estimate.value == values.mean()
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 / np.sqrt(2000), rel=0.15)


def test_columns_are_resampled_together_and_samples_independently():
    a = _autocorrelated(1)
    together = bootstrap(lambda x, y: float((x - y).mean()), Series((a, a), 50))
    apart = bootstrap(lambda x, y: float((x - y).mean()), Series((a,), 50), Series((a,), 50))
    assert together.low == together.high == 0
    assert apart.low < 0 < apart.high


def test_blocks_last_four_seconds_but_there_are_at_least_four():
    assert Series.at(np.arange(1000) / 25, np.zeros(1000)).block == 100
    assert Series.at(np.arange(40) / 25, np.zeros(40)).block == 10
    assert Series.at(np.array([3.0]), np.zeros(1)).block == 1


def test_the_jackknife_of_a_mean_is_the_standard_error():
    values = np.random.default_rng(0).normal(size=400)
    estimate = jackknife(np.mean, Series((values,), 1))
    expected = 1.96 * values.std(ddof=1) / np.sqrt(400)
    assert estimate.high - estimate.value == pytest.approx(expected)
    assert estimate.value - estimate.low == pytest.approx(expected)
