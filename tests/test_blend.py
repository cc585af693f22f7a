"""Colour and blending on cases whose answer is known."""

import dataclasses

import cv2
import numpy as np
import pytest
import scipy.linalg
from skimage.exposure import match_histograms

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


_MATCHING = [m for m in colour.Method if m is not colour.Method.NONE]


@pytest.mark.parametrize("method", _MATCHING)
def test_colour_transfer_brings_the_colours_of_the_scene(photograph, method):
    mask = np.ones((256, 256), np.float32)
    tinted = np.clip(photograph * [0.9, 1.0, 0.8] + [0.05, 0.0, 0.1], 0, 1).astype(np.float32)
    moved = colour.apply(colour.fit(method, tinted, photograph, mask), tinted)
    ours, theirs = (colour.to_lab(i).reshape(-1, 3) for i in (moved, photograph))
    np.testing.assert_allclose(ours.mean(0), theirs.mean(0), atol=0.3)
    np.testing.assert_allclose(ours.std(0), theirs.std(0), rtol=0.05)


@pytest.mark.parametrize("method", [colour.Method.COVARIANCE, colour.Method.TRANSPORT])
def test_colours_that_go_together_do_so_afterwards(photograph, method):
    """Red cheeks in shadow are not red cheeks in the light: channels alone cannot tell."""
    mask = np.ones((256, 256), np.float32)
    mixing = np.array([[1.0, 0.2, 0.0], [0.2, 1.0, 0.1], [0.0, 0.1, 1.0]])
    scene = (0.5 + 0.3 * (photograph - 0.5)).astype(np.float32)
    turned = (0.5 + (scene - 0.5) @ mixing).astype(np.float32)
    moved = colour.apply(colour.fit(method, turned, scene, mask), turned)
    covariances = [np.cov(colour.to_lab(i).reshape(-1, 3).T) for i in (moved, turned, scene)]
    off = [np.abs(c - covariances[2]).max() for c in covariances[:2]]
    assert off[0] < 0.1 * off[1]


def test_covariance_matching_is_the_map_that_moves_least():
    """Against the closed form for Gaussians, on samples with known covariances."""
    random = np.random.default_rng(0)
    a, b = np.diag([2.0, 1.0, 0.5]), np.array([[2.0, 0.2, 0.0], [0.2, 1.1, 0.0], [0.0, 0.0, 0.5]])
    ours = random.multivariate_normal(np.zeros(3), a, 200_000)
    theirs = random.multivariate_normal(np.zeros(3), b, 200_000)
    root = scipy.linalg.sqrtm(a)
    inverse = np.linalg.inv(root)
    expected = inverse @ scipy.linalg.sqrtm(root @ b @ root) @ inverse
    np.testing.assert_allclose(colour._monge(ours, theirs), expected, atol=0.02)


def test_histograms_match_those_of_scikit_image(photograph):
    mask = np.ones((256, 256), np.float32)
    dark = np.square(photograph)
    transfer = colour.fit(colour.Method.HISTOGRAM, dark, photograph, mask)
    ours = transfer.of_lab(colour.to_lab(dark))
    expected = match_histograms(colour.to_lab(dark), colour.to_lab(photograph), channel_axis=-1)
    # 64 quantiles leave the outermost half percent where they are.
    assert np.abs(ours - expected).mean() < 0.02 * np.ptp(expected)


@pytest.mark.parametrize("method", list(colour.Method))
def test_colour_of_the_same_image_changes_nothing(photograph, method):
    mask = np.ones((256, 256), np.float32)
    same = colour.apply(colour.fit(method, photograph, photograph, mask), photograph)
    np.testing.assert_allclose(same, photograph, atol=1 / 255)  # one grey level


@pytest.mark.parametrize("method", _MATCHING)
def test_steady_colour_follows_slowly_and_forgets_at_a_cut(photograph, method):
    mask = np.ones((256, 256), np.float32)
    dark, light = (colour.fit(method, photograph, photograph * k, mask) for k in (0.5, 1.0))
    steady = colour.SteadyColour()

    def lightness(transfer):
        return colour.to_lab(colour.apply(transfer, photograph))[..., 0].mean()

    first = lightness(steady(dark, 0))
    then = lightness(steady(light, 40_000))
    assert first < then < first + 0.2 * (lightness(light) - first)
    steady.reset()
    assert lightness(steady(light, 80_000)) == lightness(light)


@pytest.mark.parametrize("method", list(blend.Blend))
def test_every_blend_leaves_the_rest_alone_and_shows_the_face(photograph, method):
    frame = (255 * np.clip(photograph[::-1] * 0.6 + 0.2, 0, 1)).astype(np.uint8)
    alpha = blend.alpha_of(_disc(), np.ones((64, 64, 1), np.float32))
    patch = blend.lay(photograph, alpha, np.eye(2, 3), frame)
    result = blend.composite(frame, patch, method)
    shown = np.zeros(frame.shape[:2], np.float32)
    shown[patch.place] = patch.alpha
    np.testing.assert_array_equal(result[shown == 0], frame[shown == 0])
    slopes, wanted, before = (
        np.diff(i[100:156, 100:156].astype(float), axis=1)
        for i in (result, 255 * photograph, frame)
    )
    assert np.abs(slopes - wanted).mean() < 0.3 * np.abs(before - wanted).mean()


@pytest.mark.parametrize("method", list(blend.Blend))
def test_a_face_blended_into_itself_changes_nothing(photograph, method):
    frame = (255 * photograph).astype(np.uint8)
    alpha = blend.alpha_of(_disc(), np.ones((64, 64, 1), np.float32))
    patch = blend.lay(frame.astype(np.float32) / 255, alpha, np.eye(2, 3), frame)
    result = blend.composite(frame, patch, method)
    assert np.abs(result.astype(int) - frame).max() <= 2


@pytest.mark.parametrize("method", [blend.Blend.MULTI_BAND, blend.Blend.POISSON])
def test_a_step_of_colour_at_the_edge_is_hidden(method):
    """A flat face that is lighter than its scene: the edge is where the seam would be seen."""
    frame, face = np.full((256, 256, 3), 100, np.uint8), np.full((256, 256, 3), 0.5, np.float32)
    alpha = blend.alpha_of(_disc(), np.ones((64, 64, 1), np.float32))
    patch = blend.lay(face, alpha, np.eye(2, 3), frame)

    def steepest(how):
        return np.abs(np.diff(blend.composite(frame, patch, how).astype(int), axis=1)).max()

    assert steepest(method) < 0.7 * steepest(blend.Blend.ALPHA)


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
