"""How often crops are sampled, for footage whose poses and expressions are known."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from sagan_jax.data import sampling

_WIDTHS = np.array([3.0, 3.0, 0.02, 0.03])
_OPEN, _SHUT = 0.3, 0.05


def _shares(cumulative):
    return np.diff(cumulative.astype(np.float64), prepend=0)


def _matched(own, other):
    return _shares(
        sampling.match_performance(np.array(own, np.float32), np.array(other, np.float32))
    )


def test_rare_directions_are_sampled_as_often_as_common_ones_within_bounds():
    def shares(yaws):
        return _shares(sampling.balance_yaw(np.array(yaws)))

    even = shares([0.0] * 90 + [30.0] * 10)
    assert even[:90].sum() == pytest.approx(0.5, abs=1e-5)
    assert even[90:] == pytest.approx(0.05, abs=1e-5)
    rare = shares([0.0] * 999 + [30.0])
    assert 0.009 < rare[-1] <= 0.01 and rare.sum() == pytest.approx(1)
    assert rare[:-1] == pytest.approx(rare[:-1].mean(), rel=1e-3)


def test_half_of_the_crops_do_what_the_other_person_does():
    rest, laugh = [0.0, 0.0, 0.0, _OPEN], [0.0, 0.0, 0.15, _OPEN]
    shares = _matched([rest] * 80 + [laugh] * 20, [laugh] * 10)
    assert shares[80:] == pytest.approx(0.005 + 0.5 / 20, rel=1e-4)
    assert shares[:80] == pytest.approx(0.005, rel=1e-4)


def test_crops_of_equal_footage_are_sampled_equally_often():
    footage = np.random.default_rng(0).normal(0, [10, 5, 0.03, 0.05], (300, 4))
    assert _matched(footage, footage) == pytest.approx(1 / 300, rel=1e-4)


def test_footage_with_nothing_in_common_is_sampled_equally_often():
    left, right = [[-60.0, 0.0, 0.0, _OPEN]] * 40, [[60.0, 0.0, 0.0, _OPEN]] * 40
    assert _matched(left, right) == pytest.approx(1 / 40, rel=1e-4)


def test_a_single_rare_crop_is_sampled_within_bounds():
    rest, laugh = [0.0, 0.0, 0.0, _OPEN], [0.0, 0.0, 0.15, _OPEN]
    shares = _matched([rest] * 999 + [laugh], [laugh] * 10)
    assert 0.009 < shares[-1] <= 0.0101 and shares.sum() == pytest.approx(1)


def test_the_ratio_equals_that_of_kernel_densities():
    """SciPy has kernels of the same widths; eyes count apart from the rest."""
    random = np.random.default_rng(1)
    own = random.normal([0, 0, 0.03, 0.3], [8, 4, 0.02, 0.03], (400, 4)).astype(np.float32)
    other = random.normal([5, -3, 0.05, 0.27], [6, 5, 0.03, 0.04], (250, 4)).astype(np.float32)

    def density(samples, columns):
        kernels = [
            multivariate_normal(one[columns], np.diag(_WIDTHS[columns] ** 2)) for one in samples
        ]
        return np.mean([kernel.pdf(own[:, columns]) for kernel in kernels], 0)

    head, eyes = ([0, 1, 2], [3])
    ratio = np.prod([density(other, c) / density(own, c) for c in (head, eyes)], 0)
    expected = 0.5 / len(own) + 0.5 * ratio / ratio.sum()
    assert expected.max() < 9 / len(own)  # no bound applies
    np.testing.assert_allclose(_matched(own, other), expected, rtol=1e-3)


def test_densities_of_many_crops_are_estimated_from_a_part():
    random = np.random.default_rng(2)
    own = random.normal(0, [8, 4, 0.02, 0.03], (10_000, 4))
    other = random.normal([4, 0, 0, 0], [8, 4, 0.02, 0.03], (9_000, 4))
    shares = _matched(own, other)
    # The other person is turned by 4 degrees more, of which kernels 3 wide leave 64 / 73.
    assert (shares * own[:, 0]).sum() == pytest.approx(0.5 * 4 * 64 / 73, abs=0.3)


def test_a_blink_is_sampled_as_often_as_the_other_blinks_in_any_pose():
    ahead, ahead_shut = [0.0, 0.0, 0.0, _OPEN], [0.0, 0.0, 0.0, _SHUT]
    aside_shut = [12.0, 0.0, 0.0, _SHUT]
    shares = _matched([ahead] * 80 + [ahead_shut] * 20, [ahead] * 60 + [aside_shut] * 40)
    assert shares[80:].sum() == pytest.approx(0.5 * 0.2 + 0.5 * 0.4, rel=1e-3)
