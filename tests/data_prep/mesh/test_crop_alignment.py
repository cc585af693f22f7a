"""Alignment against scikit-image's similarity and OpenCV's coordinates."""

import cv2
import numpy as np
import pytest
import skimage
from skimage.transform import SimilarityTransform

from data_prep.imaging import similarity, warp
from data_prep.mesh import crop_alignment


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


def test_warp_brings_a_marked_pixel_to_where_the_transform_says():
    frame = np.zeros((200, 300, 3), np.uint8)
    cv2.circle(frame, (150, 90), 3, (255, 255, 255), -1)
    crop = warp.warp_crop(frame, _similarity(1.2, 0.2), 256)[..., 0].astype(float)
    rows, columns = np.mgrid[:256, :256]
    centre = np.array([(crop * columns).sum(), (crop * rows).sum()]) / crop.sum()
    expected = similarity.apply(_similarity(1.2, 0.2), np.array([150.0, 90.0]))
    np.testing.assert_allclose(centre, expected, atol=0.1)


def test_shrinking_does_not_alias():
    frame = np.zeros((400, 400, 3), np.uint8)
    frame[:, ::2] = 255  # the finest stripes there are
    shrunk = warp.warp_crop(frame, np.array([[0.23, 0, 0], [0, 0.23, 0]]), 64)
    assert np.ptp(shrunk[8:-8, 8:-8].astype(int)) < 60  # stripes would keep all of 255


def test_what_a_shard_stores_goes_back_to_the_frame():
    """The transform is stored as float32; the round trip is good to 1e-4 px all the same."""
    stored = np.array([[1.31, 0.21, -1400.3], [-0.21, 1.31, -300.7]], np.float32).astype(float)
    points = np.random.default_rng(2).uniform(0, 1920, (1000, 2))
    back = similarity.apply(similarity.inverse(stored), similarity.apply(stored, points))
    np.testing.assert_allclose(back, points, atol=1e-4)


@pytest.mark.parametrize("size", [64, 256])
def test_a_turned_and_shifted_face_becomes_upright_and_centred(size):
    """A mean face, laid into a frame by a known similarity, comes back to its place."""
    upright = np.zeros((478, 2))
    upright[crop_alignment.RIGID_LANDMARKS] = np.array(list(crop_alignment._MEAN_FACE.values()))
    in_frame = similarity.apply(_similarity(140.0, 0.6), upright)
    crop = similarity.apply(crop_alignment.face_transform(in_frame, size), in_frame)
    eyes, forehead = crop[[33, 263]], crop[10]
    middle = (size - 1) / 2
    assert eyes[0, 1] == pytest.approx(eyes[1, 1], abs=1e-6)
    assert eyes[:, 0].mean() == pytest.approx(middle, abs=1e-6)
    expected = [middle, crop_alignment._FOREHEAD * size - 0.5]
    np.testing.assert_allclose(forehead, expected, atol=1e-6)


def test_warp_equals_scikit_image_where_nothing_shrinks():
    photograph = skimage.data.astronaut()[40:300, 120:360]
    transform = _similarity(1.7, 0.4)
    transform[:, 2] += [60, -40]
    ours = warp.warp_crop(photograph, transform, 256).astype(float)
    theirs = skimage.transform.warp(
        photograph, SimilarityTransform(np.vstack([transform, [0, 0, 1]])).inverse,
        output_shape=(256, 256), order=3, mode="edge", preserve_range=True,
    )  # fmt: skip
    inside = skimage.transform.warp(
        np.ones((260, 240)), SimilarityTransform(np.vstack([transform, [0, 0, 1]])).inverse,
        output_shape=(256, 256), order=0,
    ) > 0  # fmt: skip
    assert inside.mean() > 0.5
    assert np.abs(ours - theirs)[inside].mean() < 2
