"""Sampled crops against scikit-image, known pixels and the finest stripes there are."""

import cv2
import numpy as np
import skimage
from skimage.transform import SimilarityTransform

from data_prep.imaging import similarity, warp


def _similarity(scale: float, angle: float) -> np.ndarray:
    return SimilarityTransform(scale=scale, rotation=angle, translation=(12, -7)).params[:2]


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


def test_warp_equals_scikit_image_where_nothing_shrinks():
    photograph = skimage.data.astronaut()[40:300, 120:360]
    transform = _similarity(1.7, 0.4)
    transform[:, 2] += [60, -40]
    ours = warp.warp_crop(photograph, transform, 256).astype(float)
    to_frame = SimilarityTransform(np.vstack([transform, [0, 0, 1]])).inverse
    theirs = skimage.transform.warp(
        photograph, to_frame, output_shape=(256, 256), order=3, mode="edge", preserve_range=True
    )
    ones = np.ones(photograph.shape[:2])
    inside = skimage.transform.warp(ones, to_frame, output_shape=(256, 256), order=0) > 0
    assert inside.mean() > 0.5
    assert np.abs(ours - theirs)[inside].mean() < 2
