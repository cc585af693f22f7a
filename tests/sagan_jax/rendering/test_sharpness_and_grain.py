"""Sharpness and grain on images for which both are known."""

import cv2
import numpy as np
import pytest
import skimage.data

from data_prep.media.coded_frame import CodedFrame
from sagan_jax.rendering import sharpness_and_grain
from sagan_jax.rendering.sharpness_and_grain import Grain


def _resized(image, side):
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32)


@pytest.fixture(scope="module")
def face():
    """Grey levels of a photographed face, blurred to remove its own noise and texture."""
    image = cv2.cvtColor(skimage.data.astronaut()[60:260, 120:320], cv2.COLOR_RGB2GRAY)
    return cv2.GaussianBlur(image.astype(np.float32), (0, 0), 2)


@pytest.mark.parametrize("sigma", [1.0, 3.0])
@pytest.mark.parametrize("width", [0.0, 0.5, 0.8])
def test_estimated_grain_is_that_of_the_image(face, sigma, width):
    """Holds in spite of the edges and slopes of a face."""
    noise = np.random.default_rng(1).standard_normal(face.shape, np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), width) if width else noise
    found = sharpness_and_grain.estimate_grain(
        face + sigma / noise.std() * noise, np.ones(face.shape, bool)
    )
    assert found.sigma == pytest.approx(sigma, rel=0.3)
    assert found.width == pytest.approx(width, abs=0.35)


def test_noise_has_the_grain_and_is_the_same_for_the_same_seed():
    noise = sharpness_and_grain.grain_noise(Grain(2.0, 0.7), (200, 150), (1, 5))
    assert noise.shape == (200, 150) and noise.std() == pytest.approx(2.0, rel=1e-3)
    assert sharpness_and_grain.estimate_grain(noise, noise > -99).width == pytest.approx(
        0.7, abs=0.1
    )
    wide = sharpness_and_grain.grain_noise(Grain(2.0, 0.0), (60, 2500), (1, 5))
    assert wide.shape == (60, 2500) and wide.std() == pytest.approx(2.0, rel=1e-3)
    again, other = (
        sharpness_and_grain.grain_noise(Grain(2.0, 0.7), (200, 150), (1, i)) for i in (5, 6)
    )
    assert np.array_equal(noise, again) and abs(np.corrcoef(noise.flat, other.flat)[0, 1]) < 0.05


def _compared(soft, scene, scale=1.0):
    frame = CodedFrame.from_rgb(0, 0, np.round(255 * scene).astype(np.uint8))
    luma = 255 * cv2.cvtColor(soft, cv2.COLOR_RGB2GRAY)
    transform = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2]])
    alpha = np.ones((256, 256), np.float32)
    return sharpness_and_grain.at_frame_scale(
        luma, sharpness_and_grain.fine_detail(luma), alpha, transform, frame
    )


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.7])
def test_sharpening_reaches_the_sharpness_of_the_scene(photograph, scale):
    """At the scale of the frame, whatever part of the crop's resolution the frame uses."""
    side = round(256 / scale)
    details = np.random.default_rng(2).normal(0, 0.05, (side // 2, side // 2, 3))
    scene = np.clip(_resized(photograph, side) + _resized(details, side), 0, 1)
    compared = _compared(_resized(cv2.GaussianBlur(scene, (0, 0), 1.3), 256), scene, scale)
    sharpened = compared.face + sharpness_and_grain.sharpening_amount(compared) * compared.detail
    before, after, wanted = (
        np.abs(cv2.Laplacian(i, cv2.CV_32F)).mean()
        for i in (compared.face, sharpened, compared.scene)
    )
    assert before < 0.5 * wanted and after == pytest.approx(wanted, rel=0.25)


def test_face_sharper_than_its_scene_is_not_sharpened(photograph):
    sharp = np.clip(photograph + np.random.default_rng(2).normal(0, 0.05, (256, 256, 1)), 0, 1)
    assert (
        sharpness_and_grain.sharpening_amount(_compared(sharp.astype(np.float32), photograph)) == 0
    )


def test_noise_of_the_scene_is_matched_by_grain_and_not_by_sharpening(photograph):
    image = _resized(skimage.data.astronaut()[60:260, 120:320].astype(np.float32) / 255, 256)
    noise = np.random.default_rng(3).normal(0, 4 / 255, (256, 256, 1))
    soft = cv2.GaussianBlur(image, (0, 0), 0.8)
    clean, noisy = (_compared(soft, np.clip(one, 0, 1)) for one in (image, image + noise))
    missing = sharpness_and_grain.missing_grain(noisy)
    expected = sharpness_and_grain.sharpening_amount(clean)
    unaware = sharpness_and_grain.sharpening_amount(noisy)
    aware = sharpness_and_grain.sharpening_amount(noisy, missing)
    assert abs(aware - expected) < 0.3 * abs(unaware - expected)
    smooth = _compared(photograph, np.clip(photograph + noise, 0, 1))
    assert sharpness_and_grain.missing_grain(smooth).sigma == pytest.approx(4, rel=0.1)
    assert sharpness_and_grain.missing_grain(_compared(photograph, photograph)).sigma < 0.5


def test_face_outside_the_frame_or_transparent_is_not_measured(photograph):
    frame = CodedFrame.from_rgb(0, 0, np.zeros((100, 100, 3), np.uint8))
    luma, alpha = photograph[..., 0], np.ones((256, 256), np.float32)
    outside, inside = np.array([[1, 0, 900.0], [0, 1, 0]]), np.eye(2, 3)
    assert sharpness_and_grain.at_frame_scale(luma, luma, alpha, outside, frame) is None
    assert sharpness_and_grain.at_frame_scale(luma, luma, 0 * alpha, inside, frame) is None
