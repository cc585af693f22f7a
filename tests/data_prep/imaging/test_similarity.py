"""Similarity transforms against scikit-image and in closed form."""

import numpy as np
import pytest
from skimage.transform import SimilarityTransform

from data_prep.imaging import similarity


def _similarity(scale: float = 1.7, angle: float = 0.4) -> np.ndarray:
    return SimilarityTransform(scale=scale, rotation=angle, translation=(12, -7)).params[:2]


def test_fit_equals_scikit_image_on_noisy_points():
    random = np.random.default_rng(0)
    points = random.normal(size=(40, 2)) * 50
    goal = similarity.apply(_similarity(), points) + random.normal(size=(40, 2))
    theirs = SimilarityTransform.from_estimate(points, goal).params[:2]
    np.testing.assert_allclose(similarity.fit_similarity(points, goal), theirs, atol=1e-9)


def test_inverse_undoes_the_transform():
    points = np.random.default_rng(1).uniform(0, 1000, (100, 2))
    transform = _similarity()
    back = similarity.apply(similarity.inverse(transform), similarity.apply(transform, points))
    np.testing.assert_allclose(back, points, atol=1e-4)


@pytest.mark.parametrize("new_size", [64, 128, 512])
def test_a_resized_transform_keeps_the_edges_of_the_crop(new_size):
    transform = _similarity()
    edges = np.array([[-0.5, -0.5], [255.5, 255.5]])  # outer corners of the outer pixels
    in_frame = similarity.apply(similarity.inverse(transform), edges)
    resized = similarity.resize_transform(transform, 256, new_size)
    expected = [[-0.5, -0.5], [new_size - 0.5] * 2]
    np.testing.assert_allclose(similarity.apply(resized, in_frame), expected, atol=1e-6)


def test_a_float32_transform_of_a_shard_can_be_inverted():
    """Shards store the transform as float32; the round trip is good to 1e-4 px all the same."""
    stored = np.array([[1.31, 0.21, -1400.3], [-0.21, 1.31, -300.7]], np.float32).astype(float)
    points = np.random.default_rng(2).uniform(0, 1920, (1000, 2))
    back = similarity.apply(similarity.inverse(stored), similarity.apply(stored, points))
    np.testing.assert_allclose(back, points, atol=1e-4)
