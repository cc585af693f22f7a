"""Sharpness and grain on pictures whose own are known."""

import cv2
import numpy as np
import pytest
import skimage.data

from data_prep.media.coded_frame import CodedFrame
from sagan_jax.rendering import sharpness_and_grain
from sagan_jax.rendering.sharpness_and_grain import Grain


def _resized(image, side):
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32)


@pytest.fixture
def photograph():
    noise = np.random.default_rng(0).uniform(0.2, 0.8, (16, 16, 3)).astype(np.float32)
    return np.clip(_resized(noise, 256), 0, 1)


@pytest.fixture(scope="module")
def face():
    """A photographed face, grey levels, without noise and texture of its own."""
    image = cv2.cvtColor(skimage.data.astronaut()[60:260, 120:320], cv2.COLOR_RGB2GRAY)
    return cv2.GaussianBlur(image.astype(np.float32), (0, 0), 2)


@pytest.mark.parametrize("sigma", [1.0, 3.0])
@pytest.mark.parametrize("width", [0.0, 0.5, 0.8])
def test_the_grain_of_a_picture_is_found(face, sigma, width):
    """Whatever edges and slopes there are."""
    noise = np.random.default_rng(1).standard_normal(face.shape, np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), width) if width else noise
    found = sharpness_and_grain.grain_of(
        face + sigma / noise.std() * noise, np.ones(face.shape, bool)
    )
    assert found.sigma == pytest.approx(sigma, rel=0.3)
    assert found.width == pytest.approx(width, abs=0.35)


def test_noise_is_as_wanted_and_the_same_for_the_same_frame():
    noise = sharpness_and_grain.noise_of(Grain(2.0, 0.7), (200, 150), (1, 5))
    assert noise.shape == (200, 150) and noise.std() == pytest.approx(2.0, rel=1e-3)
    assert sharpness_and_grain.grain_of(noise, noise > -99).width == pytest.approx(0.7, abs=0.1)
    wide = sharpness_and_grain.noise_of(Grain(2.0, 0.0), (60, 2500), (1, 5))
    assert wide.shape == (60, 2500) and wide.std() == pytest.approx(2.0, rel=1e-3)
    again, other = (
        sharpness_and_grain.noise_of(Grain(2.0, 0.7), (200, 150), (1, i)) for i in (5, 6)
    )
    assert np.array_equal(noise, again) and abs(np.corrcoef(noise.flat, other.flat)[0, 1]) < 0.05


def _seen(soft, scene, scale=1.0):
    picture = CodedFrame.of_rgb(0, 0, np.round(255 * scene).astype(np.uint8))
    luma = 255 * cv2.cvtColor(soft, cv2.COLOR_RGB2GRAY)
    transform = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2]])
    shown = np.ones((256, 256), np.float32)
    return sharpness_and_grain.look_at(
        luma, sharpness_and_grain.fine(luma), shown, transform, picture
    )


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.7])
def test_sharpening_reaches_the_sharpness_of_the_scene(photograph, scale):
    """At the scale of the picture, whatever part of the crop's resolution it uses."""
    side = round(256 / scale)
    details = np.random.default_rng(2).normal(0, 0.05, (side // 2, side // 2, 3))
    scene = np.clip(_resized(photograph, side) + _resized(details, side), 0, 1)
    seen = _seen(_resized(cv2.GaussianBlur(scene, (0, 0), 1.3), 256), scene, scale)
    sharpened = seen.face + sharpness_and_grain.sharpening_of(seen) * seen.fine
    before, after, wanted = (
        np.abs(cv2.Laplacian(i, cv2.CV_32F)).mean() for i in (seen.face, sharpened, seen.scene)
    )
    assert before < 0.5 * wanted and after == pytest.approx(wanted, rel=0.25)


def test_a_crisp_face_is_left_alone(photograph):
    crisp = np.clip(photograph + np.random.default_rng(2).normal(0, 0.05, (256, 256, 1)), 0, 1)
    assert sharpness_and_grain.sharpening_of(_seen(crisp.astype(np.float32), photograph)) == 0


def test_noise_is_matched_by_noise_and_not_by_sharpening(photograph):
    image = _resized(skimage.data.astronaut()[60:260, 120:320].astype(np.float32) / 255, 256)
    noise = np.random.default_rng(3).normal(0, 4 / 255, (256, 256, 1))
    soft = cv2.GaussianBlur(image, (0, 0), 0.8)
    clean, noisy = (_seen(soft, np.clip(one, 0, 1)) for one in (image, image + noise))
    missing = sharpness_and_grain.missing_grain(noisy)
    wanted, unaware, aware = (
        sharpness_and_grain.sharpening_of(clean), sharpness_and_grain.sharpening_of(noisy),
        sharpness_and_grain.sharpening_of(noisy, missing),
    )  # fmt: skip
    assert abs(aware - wanted) < 0.3 * abs(unaware - wanted)
    smooth = _seen(photograph, np.clip(photograph + noise, 0, 1))
    assert sharpness_and_grain.missing_grain(smooth).sigma == pytest.approx(4, rel=0.1)
    assert sharpness_and_grain.missing_grain(_seen(photograph, photograph)).sigma < 0.5


def test_what_is_not_shown_is_not_looked_at(photograph):
    picture = CodedFrame.of_rgb(0, 0, np.zeros((100, 100, 3), np.uint8))
    luma, alpha = photograph[..., 0], np.ones((256, 256), np.float32)
    assert (
        sharpness_and_grain.look_at(
            luma, luma, alpha, np.array([[1, 0, 900.0], [0, 1, 0]]), picture
        )
        is None
    )
    assert sharpness_and_grain.look_at(luma, luma, 0 * alpha, np.eye(2, 3), picture) is None
