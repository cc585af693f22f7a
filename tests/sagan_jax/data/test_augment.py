"""Augmentation against SciPy and OpenCV."""

import dataclasses

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from sagan_jax.configs.presets import PRESETS
from sagan_jax.data import augment

_DEMO = PRESETS["demo64"]().augment
_NONE = dataclasses.replace(
    _DEMO, warp=0.0, rotation=0.0, zoom=0.0, shift=0.0, flip=0.0, colour=0.0
)


@pytest.fixture
def images():
    return jax.random.uniform(jax.random.key(0), (4, 32, 32, 3))


def test_interpolation_equals_scipy(images):
    points = jax.random.uniform(jax.random.key(1), (4, 32, 32, 2), minval=-1.2, maxval=1.2)
    ours = augment.interpolate(images, points)
    pixels = (np.asarray(points) + 1) * 16 - 0.5
    for image, point, result in zip(np.asarray(images), pixels, ours, strict=True):
        for channel in range(3):
            expected = ndimage.map_coordinates(
                image[..., channel], [point[..., 1], point[..., 0]], order=1, mode="nearest"
            )
            np.testing.assert_allclose(result[..., channel], expected, atol=1e-4)


def test_zero_ranges_change_nothing(images):
    out = augment.augment(jax.random.key(2), images, images, _NONE, 0.0)
    for leaf in out:
        np.testing.assert_allclose(leaf, images[..., : leaf.shape[-1]], atol=1e-4)
    np.testing.assert_array_equal(augment.colour_jitter(jax.random.key(3), images, 0.0), images)


def test_a_flip_of_probability_1_mirrors(images):
    config = dataclasses.replace(_NONE, flip=1.0)
    out = augment.augment(jax.random.key(2), images, images, config, 0.0)
    np.testing.assert_allclose(out.target, images[:, :, ::-1], atol=1e-4)


def test_rotation_equals_opencv(images):
    config = dataclasses.replace(_NONE, rotation=20.0)
    transform = np.asarray(augment.random_affine(jax.random.key(5), 4, config))
    grid = jnp.broadcast_to(augment.pixel_grid(32), (4, 32, 32, 2))
    ours = augment.interpolate(images, augment.apply_affine(transform, grid))
    for image, linear, result in zip(np.asarray(images), transform[:, :, :2], ours, strict=True):
        shift = 15.5 - linear @ [15.5, 15.5]
        expected = cv2.warpAffine(
            image,
            np.column_stack([linear, shift]),
            (32, 32),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        # OpenCV places samples on a grid of 1/32 pixel.
        assert np.abs(result - expected).max() < 0.07


def test_narrow_pixels_do_not_skew_the_rotation():
    config = dataclasses.replace(_NONE, rotation=20.0, zoom=0.1)
    whole, narrow = (
        np.asarray(augment.random_affine(jax.random.key(5), 4, config, columns))
        for columns in (1.0, 0.75)
    )
    to_crop = np.diag([0.75, 1.0])  # from what the networks see
    np.testing.assert_allclose(
        to_crop @ narrow[..., :2] @ np.linalg.inv(to_crop), whole[..., :2], atol=1e-6
    )


def test_image_and_masks_move_together(images):
    out = augment.augment(jax.random.key(4), images, images, _DEMO, 0.025)
    np.testing.assert_array_equal(out.target, out.masks)
    assert float(jnp.abs(out.input - out.target).mean()) > 0.01


def test_the_warp_is_smooth_and_has_its_deviation():
    warp = np.asarray(augment.random_warp(jax.random.key(0), 200, 32, 0.05))
    at_grid = warp[:, 3::6, 3::6]  # near the points of the 5x5 grid
    assert at_grid.std() == pytest.approx(2 * 0.05, rel=0.2)
    assert np.abs(np.diff(warp, axis=1)).max() < 0.15


def test_the_same_key_gives_the_same_batch_compiled_or_not(images):
    eager = augment.augment(jax.random.key(9), images, images, _DEMO, 0.025)
    compiled = jax.jit(augment.augment, static_argnums=3)(
        jax.random.key(9), images, images, _DEMO, 0.025
    )
    for a, b in zip(eager, compiled, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_colour_jitter_is_an_affine_map_of_each_channel(images):
    out = np.asarray(augment.colour_jitter(jax.random.key(1), images, 0.2))
    for image, result in zip(np.asarray(images), out, strict=True):
        for channel in range(3):
            correlation = np.corrcoef(image[..., channel].ravel(), result[..., channel].ravel())
            assert correlation[0, 1] == pytest.approx(1, abs=1e-5)
