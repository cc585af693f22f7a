"""Metrics on cases with known answers: no swap, a perfect copy, shuffled and shaken frames."""

import numpy as np
import pytest

from data_prep.mesh import expression
from data_prep.mesh.expression import eye_opening
from sagan_jax.evaluation import metrics

_ALL = np.ones(48, bool)


@pytest.fixture
def meshes():
    """A head that moves, turns, looks around and opens its mouth over 50 frames."""
    random = np.random.default_rng(0)
    base = random.normal(size=(478, 2)) * 30
    time = np.linspace(0, 6, 50)
    moving = base + np.stack([20 * np.sin(time), 10 * np.cos(time)], -1)[:, None]
    moving[:, 14, 1] += 8 * np.sin(3 * time) + 8
    # Both upper lids.
    moving[:, [160, 158, 387, 385], 1] -= 4 * np.cos(5 * time)[:, None] + 4
    moving[:, 468:, 0] += 3 * np.sin(2 * time)[:, None]
    return moving


def test_transfer_is_0_for_no_swap_and_1_for_the_person():
    none, person = np.array([0.0, 0.2]), np.array([0.7, 0.9])
    assert metrics.identity_transfer(none, none, person) == 0
    assert metrics.identity_transfer(person[::-1], none, person) == pytest.approx(1)


def test_source_wins_counts_frames():
    assert metrics.source_wins(np.array([1, 1, 0, 0.6]), np.array([0, 0, 1, 0.5])) == 0.75


def test_retrieval_finds_copies_and_only_them():
    gallery = np.eye(6)
    is_source = np.array([1, 1, 0, 0, 0, 0], bool)
    assert metrics.retrieves_source(gallery[:2], gallery, is_source).mean() == 1
    assert metrics.retrieves_source(gallery[2:], gallery, is_source).mean() == 0
    assert metrics.retrieves_source(gallery[[0, 5]], gallery, is_source).mean() == 0.5


def test_centroid_is_a_unit_direction():
    assert metrics.centroid(np.eye(2)) == pytest.approx(np.sqrt(0.5) * np.ones(2))


def test_a_copy_is_perfect(meshes):
    assert metrics.mesh_distances(meshes, meshes) == pytest.approx(0, abs=1e-9)
    assert metrics.mean_differences(meshes[:, 0], meshes[:, 0]) == pytest.approx(0)
    for quantity in (expression.mouth_opening_in_eye_distances, eye_opening, expression.gaze):
        assert metrics.correlation(quantity(meshes), quantity(meshes)) == pytest.approx(1)
    moved = metrics.second_differences(meshes, _ALL)
    assert metrics.ratio(moved, moved) == 1


def test_expression_ignores_where_the_head_is(meshes):
    turned = 1.4 * meshes @ np.array([[0.8, 0.6], [-0.6, 0.8]]) + 40
    assert metrics.mesh_distances(turned, meshes) == pytest.approx(0, abs=1e-9)
    for quantity in (expression.mouth_opening_in_eye_distances, eye_opening, expression.gaze):
        assert quantity(turned) == pytest.approx(quantity(meshes))


def test_expression_error_is_in_percent_of_the_eye_distance():
    mesh = np.random.default_rng(1).normal(size=(1, 478, 2))
    eyes = np.linalg.norm(mesh[0, 33] - mesh[0, 263])
    noise = np.random.default_rng(2).normal(size=mesh.shape)
    noise *= 0.05 * eyes / np.linalg.norm(noise, axis=-1).mean()
    assert metrics.mesh_distances(mesh + noise, mesh)[0] == pytest.approx(5, rel=0.02)


def test_gaze_is_the_place_of_the_iris_in_the_eye():
    mesh = np.zeros((1, 478, 2))
    mesh[0, [33, 362]], mesh[0, [133, 263]] = [0, 0], [10, 0]
    mesh[0, 468:] = [7, 1]
    assert expression.gaze(mesh)[0] == pytest.approx([0.2, 0.1])


def test_added_jitter_is_measured(meshes):
    noise = np.random.default_rng(0).normal(size=meshes.shape)
    still = np.repeat(meshes[:1], 50, 0)
    shaken, calm = (metrics.second_differences(still + k * noise, _ALL) for k in (3, 1))
    assert metrics.ratio(shaken, calm) == pytest.approx(3)
    moving = (metrics.second_differences(one, _ALL) for one in (meshes + noise, meshes))
    assert metrics.ratio(*moving) > 2


def test_flicker_is_measured_in_grey_levels():
    # Light that grows steadily is not flicker.
    even = np.arange(50) * 2.0
    lamp = even + 3 * (np.arange(50) % 2)
    assert metrics.second_differences(even, _ALL) == pytest.approx(0)
    assert metrics.second_differences(lamp, _ALL) == pytest.approx(6)
    assert np.isnan(metrics.ratio(metrics.second_differences(lamp, _ALL), np.zeros(48)))


def test_neither_a_gap_nor_a_cut_is_jitter(meshes):
    jump = meshes.copy()
    jump[25:] += 100
    one_track, two_tracks = np.zeros(50, int), np.repeat([0, 1], 25)
    after_a_gap = np.concatenate([np.arange(25), np.arange(40, 65)])

    def ratio(frames, tracks):
        where = metrics.consecutive(frames, tracks)
        return metrics.ratio(*(metrics.second_differences(m, where) for m in (jump, meshes)))

    assert ratio(after_a_gap, one_track) == pytest.approx(1)
    assert ratio(np.arange(50), two_tracks) == pytest.approx(1)
    assert ratio(np.arange(50), one_track) > 1.5


def test_shuffled_frames_do_not_correlate(meshes):
    order = np.random.default_rng(3).permutation(50)
    for quantity in (expression.mouth_opening_in_eye_distances, eye_opening, expression.gaze):
        assert abs(metrics.correlation(quantity(meshes[order]), quantity(meshes))) < 0.5


def test_correlation_is_pearsons_and_unknown_for_a_still_face():
    a, b = np.random.default_rng(4).normal(size=(2, 100))
    assert metrics.correlation(a, a + b) == pytest.approx(np.corrcoef(a, a + b)[0, 1])
    assert np.isnan(metrics.correlation(a, np.ones(100)))


def test_a_mouth_that_opens_half_as_far_has_half_the_reach(meshes):
    opening = expression.mouth_opening_in_eye_distances(meshes)
    assert metrics.gain(0.3 + opening / 2, opening) == pytest.approx(0.5)
    assert metrics.gain(np.ones(50), opening) == 0
    assert np.isnan(metrics.gain(opening, np.ones(50)))


def test_pose_error_in_degrees():
    poses = np.zeros((4, 3))
    assert metrics.mean_differences(poses + np.array([3, 0, 0]), poses) == pytest.approx(1)


def test_psnr_of_a_known_error():
    a = np.zeros((4, 4, 3), np.uint8)
    where = np.zeros((4, 4), bool)
    where[:2] = True
    b = a.copy()
    b[:2], b[2:] = 5, 99
    assert metrics.squared_error(a, b, where) == pytest.approx(25)
    assert metrics.psnr(np.array([25.0])) == pytest.approx(20 * np.log10(255 / 5))
    assert metrics.psnr(np.zeros(3)) == float("inf")
