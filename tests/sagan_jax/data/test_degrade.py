"""Degradations against OpenCV and closed forms."""

import dataclasses

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sagan_jax.configs.presets import demo64
from sagan_jax.data import augment, degrade


@pytest.fixture
def images():
    """Images as smooth as photographs, with 8-bit levels."""
    noise = jax.random.uniform(jax.random.key(0), (4, 8, 8, 3))
    smooth = jax.image.resize(noise, (4, 64, 64, 3), "cubic")
    return jnp.round(255 * jnp.clip(smooth, 0, 1)) / 255


def test_filtering_equals_opencv(images):
    kernels = jax.random.uniform(jax.random.key(1), (4, 5, 5))
    ours = degrade.filter_each(images, kernels)
    for image, kernel, result in zip(np.asarray(images), np.asarray(kernels), ours, strict=True):
        expected = cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE)
        np.testing.assert_allclose(result, expected, atol=1e-5)


def test_a_horizontal_or_vertical_line_is_a_mean_of_pixels():
    angle, length = jnp.array([0.0, np.pi / 2, 0.3]), jnp.array([5.0, 3.0, 0.0])
    kernels = np.asarray(degrade.line_kernels(angle, length, 3))
    across, down, point = np.zeros((3, 7, 7))
    across[3, 1:6], down[2:5, 3], point[3, 3] = 1 / 5, 1 / 3, 1
    np.testing.assert_allclose(kernels, [across, down, point], atol=1e-5)


def test_a_slanted_line_has_its_length_and_direction():
    kernel = np.asarray(degrade.line_kernels(jnp.array([0.6]), jnp.array([15.0]), 9))[0]
    y, x = np.mgrid[-9:10, -9:10]
    covariance = np.cov(np.stack([x.ravel(), y.ravel()]), aweights=kernel.ravel(), bias=True)
    spreads, axes = np.linalg.eigh(covariance)
    assert np.arctan2(*axes[::-1, 1]) % np.pi == pytest.approx(0.6, abs=0.02)
    assert np.sqrt(12 * spreads[1]) == pytest.approx(15, rel=0.03)  # deviation of a uniform segment
    assert spreads[0] < 0.3


def test_motion_blur_changes_some_images_only(images):
    blurred = degrade.motion_blur(jax.random.key(5), images, probability=0.5, length=0.2)
    changed = np.abs(blurred - images).max((1, 2, 3)) > 1e-4
    assert 0 < changed.sum() < 4
    np.testing.assert_allclose(blurred.mean((1, 2)), images.mean((1, 2)), atol=0.03)


@pytest.mark.parametrize("quality", [15, 50, 90])
def test_jpeg_equals_opencv(images, quality):
    ours = np.asarray(degrade.jpeg(images, jnp.full(4, float(quality)))) * 255
    flags = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    for image, result in zip(np.asarray(images), ours, strict=True):
        bgr = np.round(255 * image[..., ::-1]).astype(np.uint8)
        theirs = cv2.imdecode(cv2.imencode(".jpg", bgr, flags)[1], cv2.IMREAD_COLOR)[..., ::-1]
        difference = np.abs(result - theirs)
        # OpenCV transforms in whole numbers, so a few coefficients are rounded the other way.
        assert difference.mean() < 0.4
        assert difference.mean() < 0.2 * np.abs(theirs - 255 * image).mean()


def test_noise_has_a_uniform_deviation_up_to_the_largest(images):
    grey = jnp.full((300, 32, 32, 3), 0.5)
    strength = np.asarray(degrade.noise(jax.random.key(0), grey, 0.1)).std((1, 2, 3))
    assert strength.max() == pytest.approx(0.1, rel=0.05) and strength.min() < 0.01
    assert strength.mean() == pytest.approx(0.05, rel=0.1)


def test_ellipses_equal_a_finer_rendering():
    ours = np.asarray(
        degrade.ellipses(
            64, jnp.array([[30.0, 25.0]]), jnp.array([[18.0, 9.0]]), jnp.array([np.deg2rad(35.0)])
        )
    )[0, ..., 0]
    y, x = (np.mgrid[: 64 * 8, : 64 * 8] + 0.5) / 8
    turn = np.exp(-1j * np.deg2rad(35.0)) * ((x - 30) + 1j * (y - 25))
    inside = (turn.real / 18) ** 2 + (turn.imag / 9) ** 2 < 1
    covered = inside.reshape(64, 8, 64, 8).mean((1, 3))
    assert ours.sum() == pytest.approx(np.pi * 18 * 9, rel=0.02)
    assert np.abs(ours - covered).mean() < 0.005


def test_an_occluder_changes_only_what_it_covers(images):
    result, covered = degrade.occlude(jax.random.key(3), images, 1.0)
    assert 0.005 < float(covered.mean()) < 0.15
    np.testing.assert_array_equal(
        np.where(covered == 0, result, 0), np.where(covered == 0, images, 0)
    )
    assert np.abs(result - images)[np.broadcast_to(covered == 1, images.shape)].mean() > 0.05


def test_only_the_input_is_degraded(images):
    plain = demo64().augment
    config = dataclasses.replace(
        plain,
        hue=20.0,
        saturation=0.3,
        exposure=0.3,
        occlusion=1.0,
        blur=1.0,
        noise=0.05,
        compression=1.0,
    )
    batch = augment.Augmented(images, images, images[..., :1], images, jnp.ones_like(images))
    degraded = jax.jit(augment.degrade_input, static_argnums=2)(jax.random.key(0), batch, config)
    assert np.abs(degraded.input_image - images).mean() > 0.02
    assert float(degraded.input_image.min()) >= 0 and float(degraded.input_image.max()) <= 1
    np.testing.assert_array_equal(degraded.target, images)
    assert 0.8 < float(degraded.masks.mean()) < 1
    untouched = augment.degrade_input(jax.random.key(0), batch, plain)
    np.testing.assert_array_equal(untouched.input_image, images)
