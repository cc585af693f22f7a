"""Colour and blending on cases whose answer is known."""

import dataclasses

import cv2
import numpy as np
import pytest

from data_prep import alignment, quality
from sagan_jax import blend, colour


@pytest.fixture
def photograph():
    noise = np.random.default_rng(0).uniform(0.2, 0.8, (16, 16, 3)).astype(np.float32)
    return np.clip(cv2.resize(noise, (256, 256), interpolation=cv2.INTER_CUBIC), 0, 1)


def _paste(frame, crop, alpha, transform):
    return blend.composite(frame, blend.lay(crop, alpha, transform, frame))


_TRANSFORM = np.array([[1.3, 0.4, -60.0], [-0.4, 1.3, 10.0]])


def _resized(image, side):
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32)


def _disc() -> np.ndarray:
    return cv2.circle(np.zeros((256, 256), np.uint8), (128, 128), 90, 255, -1)[..., None]


def test_pixels_outside_the_mask_stay_bit_for_bit(photograph):
    frame = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)
    alpha = blend.alpha_of(_disc(), np.ones((64, 64, 1), np.float32))
    result = _paste(frame, photograph, alpha, _TRANSFORM)
    support = cv2.warpAffine(
        (alpha > 0).astype(np.float32), _TRANSFORM, (320, 240),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )  # fmt: skip
    np.testing.assert_array_equal(result[support == 0], frame[support == 0])
    assert (result[support == 1] != frame[support == 1]).mean() > 0.5


def test_a_crop_pasted_back_is_the_frame(photograph):
    frame = (255 * photograph).astype(np.uint8)
    crop = alignment.warp(frame, _TRANSFORM, 256).astype(np.float32) / 255
    alpha = blend.alpha_of(_disc(), np.ones((64, 64, 1), np.float32))
    result = _paste(frame, crop, alpha, _TRANSFORM)
    assert 10 * np.log10(255**2 / np.square(result.astype(float) - frame).mean()) > 45


def test_a_crop_that_hangs_over_the_edge(photograph):
    frame = np.zeros((100, 120, 3), np.uint8)
    alpha = blend.alpha_of(_disc(), np.ones((64, 64, 1), np.float32))
    for shift in ([-300.0, -300.0], [150.0, 0.0], [0.0, 140.0]):
        transform = np.column_stack([np.eye(2), shift])
        assert _paste(frame, photograph, alpha, transform).shape == frame.shape


def test_alpha_is_the_product_and_ends_before_the_border():
    whole = np.full((256, 256, 1), 255, np.uint8)
    learned = np.full((64, 64, 1), 0.5, np.float32)
    alpha = blend.alpha_of(whole, learned)
    assert alpha[128, 128] == pytest.approx(0.5, abs=1e-3)
    assert not blend.alpha_of(whole, np.full((64, 64, 1), 0.29, np.float32)).any()
    assert not alpha[0].any() and not alpha[:, -1].any()


def test_colour_transfer_brings_the_colours_of_the_scene(photograph):
    mask = np.ones((256, 256), np.float32)
    tinted = np.clip(photograph * [0.9, 1.0, 0.8] + [0.05, 0.0, 0.1], 0, 1).astype(np.float32)
    transfer = colour.fit(tinted, photograph, mask)
    moments = [colour._moments(colour.to_lab(i), mask) for i in (transfer(tinted), photograph)]
    np.testing.assert_allclose(moments[0][0], moments[1][0], atol=0.3)
    np.testing.assert_allclose(moments[0][1], moments[1][1], rtol=0.05)


def test_colour_of_the_same_image_changes_nothing(photograph):
    mask = np.ones((256, 256), np.float32)
    same = colour.fit(photograph, photograph, mask)(photograph)
    np.testing.assert_allclose(same, photograph, atol=1 / 255)  # one grey level


def test_steady_colour_follows_slowly_and_forgets_at_a_cut(photograph):
    mask = np.ones((256, 256), np.float32)
    dark, light = (colour.fit(photograph, photograph * k, mask) for k in (0.5, 1.0))
    steady = colour.SteadyColour()
    first = steady(dark, 0)
    then = steady(light, 40_000)
    assert first.goal[0] < then.goal[0] < first.goal[0] + 0.2 * (light.goal[0] - dark.goal[0])
    steady.reset()
    assert steady(light, 80_000).goal[0] == light.goal[0]


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.7])
def test_sharpening_reaches_the_sharpness_of_the_scene(photograph, scale):
    """At the scale of the frame, whatever part of the crop's resolution it uses."""
    side = round(256 / scale)
    detail = np.random.default_rng(2).normal(0, 0.05, (side // 2, side // 2, 3))
    scene = np.clip(_resized(photograph, side) + _resized(detail, side), 0, 1)
    frame = (255 * scene).astype(np.uint8)
    soft = _resized(cv2.GaussianBlur(scene, (0, 0), 1.3), 256)
    transform = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2]])
    patch = blend.lay(soft, np.ones((256, 256), np.float32), transform, frame)
    sharpened = blend.sharpen(patch, blend.sharpening_of(patch, frame))
    before, after, wanted = (
        quality.sharpness((255 * i).astype(np.uint8), np.ones((side, side, 1)))
        for i in (patch.image, sharpened.image, scene)
    )
    assert before < 0.5 * wanted and after == pytest.approx(wanted, rel=0.25)
    sharp = dataclasses.replace(patch, image=scene)
    assert blend.sharpening_of(sharp, (255 * patch.image).astype(np.uint8)) == 0
