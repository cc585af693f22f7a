"""Distances between distributions against closed forms, and invariance of the features."""

import numpy as np
import pytest
import scipy.linalg
import skimage

from sagan_jax.evaluation import fid_kid


def _normal(seed, count, mean=0.0, spread=1.0):
    return mean + spread * np.random.default_rng(seed).normal(size=(count, 16))


def test_the_frechet_distance_equals_the_textbook_formula():
    a, b = _normal(0, 200), _normal(1, 150, 0.5, 2.0) @ np.triu(np.ones((16, 16))) / 4
    covariances = np.cov(a.T), np.cov(b.T)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = np.square(a.mean(0) - b.mean(0)).sum()
    expected += np.trace(covariances[0] + covariances[1] - 2 * root)
    assert fid_kid.frechet_distance(a, b) == pytest.approx(expected)
    assert fid_kid.frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


def test_distances_of_a_single_image_are_undefined():
    for distance in (fid_kid.frechet_distance, fid_kid.kernel_distance):
        assert np.isnan(distance(_normal(0, 1), _normal(1, 5)))


def test_the_frechet_distance_of_a_shift_by_two_is_four():
    a = _normal(0, 100)
    assert fid_kid.frechet_distance(a, a + 2 / np.sqrt(16)) == pytest.approx(4)


def test_the_kernel_distance_is_0_only_for_equal_distributions():
    same = [fid_kid.kernel_distance(_normal(i, 60), _normal(100 + i, 60)) for i in range(20)]
    different = [
        fid_kid.kernel_distance(_normal(i, 60), _normal(100 + i, 60, 0.3)) for i in range(20)
    ]
    assert abs(np.mean(same)) < 2 * np.std(same) / np.sqrt(20) + 1e-3
    assert min(different) > max(same)


def test_the_kernel_distance_equals_the_sum_over_pairs():
    a, b = _normal(0, 5), _normal(1, 4)

    def k(x, y):
        return (x @ y / 16 + 1) ** 3

    expected = np.mean([k(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j])
    expected += np.mean([k(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j])
    expected -= 2 * np.mean([k(x, y) for x in a for y in b])
    assert fid_kid.kernel_distance(a, b) == pytest.approx(expected)


def test_features_depend_on_the_face_alone():
    features = fid_kid.Features()
    image, other = skimage.data.astronaut()[:256, 100:356], skimage.data.cat()[:256, :256]
    mask = np.zeros((256, 256, 1), np.uint8)
    mask[60:200, 60:200] = 255
    found = features(image, mask)
    assert found.shape == (fid_kid.SIZE,) and found.dtype == np.float32 and found.std() > 0.5
    np.testing.assert_array_equal(found, features(np.where(mask > 0, image, other), mask))
    assert np.abs(found - features(other, mask)).max() > 1
