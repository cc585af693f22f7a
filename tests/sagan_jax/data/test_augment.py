"""Augmentation against SciPy and OpenCV."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from sagan_jax.configs.config import AugmentConfig
from sagan_jax.data import augment

_NONE = AugmentConfig(warp=0.0, rotation=0.0, zoom=0.0, shift=0.0, flip=0.0, colour=0.0)


@pytest.fixture
def images():
    return jax.random.uniform(jax.random.key(0), (4, 32, 32, 3))


def test_sampling_equals_scipy(images):
    points = jax.random.uniform(jax.random.key(1), (4, 32, 32, 2), minval=-1.2, maxval=1.2)
    ours = augment.sample(images, points)
    pixels = (np.asarray(points) + 1) * 16 - 0.5
    for image, at, made in zip(np.asarray(images), pixels, ours, strict=True):
        for channel in range(3):
            expected = ndimage.map_coordinates(
                image[..., channel], [at[..., 1], at[..., 0]], order=1, mode="nearest"
            )
            np.testing.assert_allclose(made[..., channel], expected, atol=1e-4)


def test_zero_ranges_change_nothing(images):
    out = augment.augment(jax.random.key(2), images, images, _NONE, 0.0)
    for leaf in out:
        np.testing.assert_allclose(leaf, images[..., : leaf.shape[-1]], atol=1e-4)
    np.testing.assert_array_equal(augment.colour_jitter(jax.random.key(3), images, 0.0), images)


def test_a_certain_mirror_is_a_mirror(images):
    config = AugmentConfig(**{**vars(_NONE), "flip": 1.0})
    out = augment.augment(jax.random.key(2), images, images, config, 0.0)
    np.testing.assert_allclose(out.target, images[:, :, ::-1], atol=1e-4)


def test_rotation_equals_opencv(images):
    config = AugmentConfig(**{**vars(_NONE), "rotation": 20.0})
    transform = np.asarray(augment.random_affine(jax.random.key(5), 4, config))
    grid = jnp.broadcast_to(augment.pixel_grid(32), (4, 32, 32, 2))
    ours = augment.sample(images, augment.apply_affine(transform, grid))
    for image, linear, made in zip(np.asarray(images), transform[:, :, :2], ours, strict=True):
        shift = 15.5 - linear @ [15.5, 15.5]
        expected = cv2.warpAffine(
            image, np.column_stack([linear, shift]), (32, 32),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        # OpenCV places samples on a grid of 1/32 pixel.
        assert np.abs(made - expected).max() < 0.07


def test_narrow_pixels_are_turned_as_the_face_that_they_show():
    config = AugmentConfig(**{**vars(_NONE), "rotation": 20.0, "zoom": 0.1})
    whole, narrow = (
        np.asarray(augment.random_affine(jax.random.key(5), 4, config, columns))
        for columns in (1.0, 0.75)
    )
    spread = np.diag([0.75, 1.0])  # of what is seen to the crop
    np.testing.assert_allclose(
        spread @ narrow[..., :2] @ np.linalg.inv(spread), whole[..., :2], atol=1e-6
    )


def test_image_and_masks_move_together(images):
    out = augment.augment(jax.random.key(4), images, images, AugmentConfig(), 0.025)
    np.testing.assert_array_equal(out.target, out.masks)
    assert float(jnp.abs(out.input - out.target).mean()) > 0.01


def test_the_warp_is_smooth_and_as_large_as_asked():
    warp = np.asarray(augment.random_warp(jax.random.key(0), 200, 32, 0.05))
    at_grid = warp[:, 3::6, 3::6]  # near the points of the 5x5 grid
    assert at_grid.std() == pytest.approx(2 * 0.05, rel=0.2)
    assert np.abs(np.diff(warp, axis=1)).max() < 0.15


def test_the_same_key_gives_the_same_batch_compiled_or_not(images):
    eager = augment.augment(jax.random.key(9), images, images, AugmentConfig(), 0.025)
    compiled = jax.jit(augment.augment, static_argnums=3)(
        jax.random.key(9), images, images, AugmentConfig(), 0.025
    )
    for a, b in zip(eager, compiled, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_colour_jitter_is_an_affine_map_of_each_channel(images):
    out = np.asarray(augment.colour_jitter(jax.random.key(1), images, 0.2))
    for image, made in zip(np.asarray(images), out, strict=True):
        for channel in range(3):
            correlation = np.corrcoef(image[..., channel].ravel(), made[..., channel].ravel())
            assert correlation[0, 1] == pytest.approx(1, abs=1e-5)
