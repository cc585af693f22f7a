"""Alignment against scikit-image's similarity and OpenCV's coordinates."""

import cv2
import numpy as np
import pytest
from skimage.transform import SimilarityTransform

from data_prep import alignment


def _similarity(scale: float = 1.7, angle: float = 0.4) -> np.ndarray:
    return SimilarityTransform(scale=scale, rotation=angle, translation=(12, -7)).params[:2]


def test_fit_equals_scikit_image_on_noisy_points():
    random = np.random.default_rng(0)
    points = random.normal(size=(40, 2)) * 50
    goal = alignment.apply(_similarity(), points) + random.normal(size=(40, 2))
    theirs = SimilarityTransform.from_estimate(points, goal).params[:2]
    np.testing.assert_allclose(alignment.fit_similarity(points, goal), theirs, atol=1e-9)


def test_inverse_undoes_the_transform():
    points = np.random.default_rng(1).uniform(0, 1000, (100, 2))
    transform = _similarity()
    back = alignment.apply(alignment.inverse(transform), alignment.apply(transform, points))
    np.testing.assert_allclose(back, points, atol=1e-4)


@pytest.mark.parametrize("new_size", [64, 128, 512])
def test_a_resized_transform_keeps_the_edges_of_the_crop(new_size):
    transform = _similarity()
    edges = np.array([[-0.5, -0.5], [255.5, 255.5]])  # outer corners of the outer pixels
    in_frame = alignment.apply(alignment.inverse(transform), edges)
    resized = alignment.resize_transform(transform, 256, new_size)
    expected = [[-0.5, -0.5], [new_size - 0.5] * 2]
    np.testing.assert_allclose(alignment.apply(resized, in_frame), expected, atol=1e-6)


def test_warp_brings_a_marked_pixel_to_where_the_transform_says():
    frame = np.zeros((200, 300, 3), np.uint8)
    cv2.circle(frame, (150, 90), 3, (255, 255, 255), -1)
    crop = alignment.warp(frame, _similarity(1.2, 0.2), 256)[..., 0].astype(float)
    rows, columns = np.mgrid[:256, :256]
    centre = np.array([(crop * columns).sum(), (crop * rows).sum()]) / crop.sum()
    expected = alignment.apply(_similarity(1.2, 0.2), np.array([150.0, 90.0]))
    np.testing.assert_allclose(centre, expected, atol=0.1)


def test_shrinking_does_not_alias():
    frame = np.zeros((400, 400, 3), np.uint8)
    frame[:, ::2] = 255  # the finest stripes there are
    shrunk = alignment.warp(frame, np.array([[0.23, 0, 0], [0, 0.23, 0]]), 64)
    assert np.ptp(shrunk[8:-8, 8:-8].astype(int)) < 60  # stripes would keep all of 255
