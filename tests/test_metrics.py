"""Figures on cases whose answer is known."""

import numpy as np
import pytest

from sagan_jax import metrics

_ONE_TRACK = np.zeros(50, int)


@pytest.fixture
def meshes():
    """A head that moves, turns and opens its mouth over 50 frames, `[50, 478, 2]`."""
    random = np.random.default_rng(0)
    base = random.normal(size=(478, 2)) * 30
    time = np.linspace(0, 6, 50)
    moving = base + np.stack([20 * np.sin(time), 10 * np.cos(time)], -1)[:, None]
    moving[:, 14, 1] += 8 * np.sin(3 * time) + 8
    return moving


def test_transfer_is_0_for_no_swap_and_1_for_the_person():
    assert metrics.identity_transfer(0.1, 0.1, 0.8) == 0
    assert metrics.identity_transfer(0.8, 0.1, 0.8) == pytest.approx(1)


def test_source_wins_counts_frames():
    source, target = np.eye(4)[0], np.eye(4)[1]
    swapped = np.stack([source, source, target, 0.6 * source + 0.5 * target])
    assert metrics.source_wins(swapped, source, target) == 0.75


def test_centroid_is_a_unit_direction():
    assert metrics.centroid(np.eye(2)) == pytest.approx(np.sqrt(0.5) * np.ones(2))


def test_a_copy_is_perfect(meshes):
    assert metrics.expression_error(meshes, meshes) == pytest.approx(0, abs=1e-9)
    assert metrics.jitter_ratio(meshes, meshes, np.arange(50), _ONE_TRACK) == 1
    assert metrics.pose_error(meshes[:, 0], meshes[:, 0]) == 0
    assert metrics.mouth_correlation(meshes, meshes) == pytest.approx(1)


def test_expression_ignores_where_the_head_is(meshes):
    turned = 1.4 * meshes @ np.array([[0.8, 0.6], [-0.6, 0.8]]) + 40
    assert metrics.expression_error(turned, meshes) == pytest.approx(0, abs=1e-9)


def test_expression_error_is_in_percent_of_the_eye_distance():
    mesh = np.random.default_rng(1).normal(size=(1, 478, 2))
    eyes = np.linalg.norm(mesh[0, 33] - mesh[0, 263])
    noise = np.random.default_rng(2).normal(size=mesh.shape)
    noise *= 0.05 * eyes / np.linalg.norm(noise, axis=-1).mean()
    assert metrics.expression_error(mesh + noise, mesh) == pytest.approx(5, rel=0.02)


def test_added_jitter_shows(meshes):
    noise = np.random.default_rng(0).normal(size=meshes.shape)
    still = np.repeat(meshes[:1], 50, 0)
    frames = np.arange(50)
    assert metrics.jitter_ratio(meshes + noise, meshes, frames, _ONE_TRACK) > 2
    tripled = metrics.jitter_ratio(still + 3 * noise, still + noise, frames, _ONE_TRACK)
    assert tripled == pytest.approx(3)


def test_neither_a_gap_nor_a_cut_is_jitter(meshes):
    jump = meshes.copy()
    jump[25:] += 100
    after_a_gap = np.concatenate([np.arange(25), np.arange(40, 65)])
    assert metrics.jitter_ratio(jump, meshes, after_a_gap, _ONE_TRACK) == pytest.approx(1)
    two_tracks = np.repeat([0, 1], 25)
    assert metrics.jitter_ratio(jump, meshes, np.arange(50), two_tracks) == pytest.approx(1)
    assert metrics.jitter_ratio(jump, meshes, np.arange(50), _ONE_TRACK) > 1.5


def test_shuffled_frames_lose_the_mouth(meshes):
    order = np.random.default_rng(3).permutation(50)
    assert abs(metrics.mouth_correlation(meshes[order], meshes)) < 0.5


def test_pose_error_in_degrees():
    poses = np.zeros((4, 3))
    assert metrics.pose_error(poses + np.array([3, 0, 0]), poses) == 1


def test_psnr_of_a_known_error():
    a = np.zeros((4, 4, 3), np.uint8)
    where = np.zeros((4, 4), bool)
    where[:2] = True
    b = a.copy()
    b[:2], b[2:] = 5, 99
    assert metrics.psnr(a, b, where) == pytest.approx(20 * np.log10(255 / 5))
    assert metrics.psnr(a, a, where) == float("inf")
