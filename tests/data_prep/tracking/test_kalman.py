"""Smoothing of simulated motions, whose truth is known."""

import numpy as np
import pytest

from data_prep.tracking import kalman

_SECONDS = np.arange(400) * 0.04
_NOISE = 0.001


def _measured(truth: np.ndarray, seed: int = 0) -> np.ndarray:
    """Noisy measurements of a motion along the first of four coordinates."""
    noise = np.random.default_rng(seed).normal(0, _NOISE, (len(truth), 4))
    return noise + np.outer(truth, [1, 0, 0, 0])


def _smooth(values, seconds=_SECONDS, trust=None, gate=6.0):
    trust = np.ones(len(values)) if trust is None else trust
    noise = kalman.estimate_noise(values, seconds, trust, least=0.0003, robust=True)
    return kalman.smooth(values, seconds, trust, noise, gate)


def test_noise_of_a_still_face_shrinks_to_less_than_a_third():
    values = _measured(np.zeros(400))
    smoothed, _ = _smooth(values)
    assert smoothed.std() < values.std() / 3
    # The eye sees the jitter from frame to frame.
    assert np.diff(smoothed, 2, axis=0).std() < np.diff(values, 2, axis=0).std() / 50


def test_constant_speed_has_no_lag():
    truth = 0.3 * _SECONDS
    smoothed, _ = _smooth(_measured(truth))
    error = smoothed[:, 0] - truth
    assert abs(error.mean()) < 0.1 * _NOISE and error.std() < _NOISE / 3


def test_constant_speed_has_no_lag_where_frames_are_dropped():
    seconds = np.cumsum(np.random.default_rng(1).choice([0.04, 0.08, 0.56], 200))
    smoothed, _ = _smooth(_measured(0.3 * seconds), seconds)
    assert abs((smoothed[:, 0] - 0.3 * seconds).mean()) < 0.15 * _NOISE


@pytest.mark.parametrize("period", [12, 25, 50, 100])
@pytest.mark.parametrize("swing", [0.005, 0.02])
def test_a_moving_face_is_not_held_back(period, swing):
    """Smoothing adds no error above the noise of the measurements, whatever the motion."""
    truth = swing * np.sin(2 * np.pi * np.arange(400) / period)
    smoothed, _ = _smooth(_measured(truth))
    assert np.sqrt(np.mean((smoothed[:, 0] - truth) ** 2)) < 2 * _NOISE


def test_a_jump_shows_neither_before_nor_after_it_happens():
    truth = np.where(np.arange(400) < 200, 0.0, 0.3)
    smoothed, trust = _smooth(_measured(truth))
    assert np.abs(smoothed[:, 0] - truth).max() < 4 * _NOISE
    assert (trust == 1).all()


def test_a_single_wrong_measurement_does_not_count():
    values = _measured(np.zeros(400))
    values[200] += 0.3
    smoothed, trust = _smooth(values)
    assert trust[200] < 0.01 and (np.delete(trust, 200) == 1).all()
    assert np.abs(smoothed).max() < 3 * _NOISE


def test_a_gap_is_filled():
    trust = np.ones(400)
    trust[200:210] = 0
    truth = 0.3 * _SECONDS
    values = _measured(truth) * trust[:, None]
    smoothed, _ = _smooth(values, trust=trust)
    assert np.abs(smoothed[:, 0] - truth).max() < 2 * _NOISE


def test_the_smoother_finds_the_most_probable_motion_at_any_frame_rate():
    """Compares it with least squares over all frames at once, at uneven times."""
    random = np.random.default_rng(0)
    seconds = np.cumsum(random.choice([0.02, 0.04, 0.08, 0.2], 60))
    values = np.cumsum(random.normal(0, 0.01, 60))
    liveliness = random.uniform(1, 8, 60)
    trust = random.choice([0.0, 0.1, 1.0], 60)
    trust[0] = 1
    noise = kalman.NoiseModel(0.006, liveliness)
    ours, _ = kalman.smooth(values[:, None], seconds, trust, noise)
    # The unknowns are the first position, the first speed and the acceleration over every step.
    state = np.eye(2, 61)
    positions = [state[0]]
    for k, dt in enumerate(np.diff(seconds), start=2):
        state = np.array([[1, dt], [0, 1]]) @ state
        state[:, k] += [dt**2 / 2, dt]
        positions.append(state[0])
    weight = np.sqrt(trust) / 0.006
    prior = np.concatenate([[0.0, 1.0], liveliness[1:]])
    rows = np.vstack(
        [np.array(positions) * weight[:, None], np.diag(1 / prior[1:]) @ np.eye(60, 61, 1)]
    )
    goal = np.concatenate([values * weight, np.zeros(60)])
    best = np.linalg.lstsq(rows, goal, rcond=None)[0]
    np.testing.assert_allclose(ours[:, 0], np.array(positions) @ best, atol=1e-9)


def test_the_noise_of_a_still_track_is_estimated():
    for scale in (0.0005, 0.002):
        values = np.random.default_rng(3).normal(0, scale, (400, 4))
        noise = kalman.estimate_noise(values, _SECONDS, np.ones(400), 0.0003, robust=True)
        assert noise.measurement == pytest.approx(scale, rel=0.15)


def test_a_blink_is_not_smeared_by_the_estimate_for_lids():
    lids = np.random.default_rng(4).normal(0, 0.0005, (200, 40))
    closed = np.interp(np.arange(200), [99, 101, 102, 104], [0, -0.05, -0.05, 0])
    lids[:, 20:] += closed[:, None]
    noise = kalman.estimate_noise(lids, _SECONDS[:200], np.ones(200), 0.0003, robust=False)
    smoothed, _ = kalman.smooth(lids, _SECONDS[:200], np.ones(200), noise)
    assert np.abs(smoothed[:, 20:].mean(1) - closed).max() < 0.03 * 0.05
    assert np.diff(smoothed[:80], 2, axis=0).std() < np.diff(lids[:80], 2, axis=0).std() / 5


def test_a_still_image_that_moves_once_has_the_noise_of_a_good_measurement():
    """Rounding of a running mean of zeros, which may be negative, does no harm."""
    for seed in range(20):
        values = np.random.default_rng(seed).uniform(0, 1, 8) * np.ones((64, 8))
        values[20:25] += [[0.03], [0.1], [0.1], [0.1], [0.03]]
        noise = kalman.estimate_noise(values, _SECONDS[:64], np.ones(64), 0.0003, robust=False)
        assert noise.measurement == 0.0003 and np.isfinite(noise.acceleration).all()
