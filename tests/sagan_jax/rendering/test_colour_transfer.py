"""Colour transfer against closed forms and scikit-image."""

import numpy as np
import pytest
import scipy.linalg
from skimage.exposure import match_histograms

from sagan_jax.rendering import colour_transfer
from sagan_jax.rendering.render_settings import ColourMethod

_MATCHING = [method for method in ColourMethod if method is not ColourMethod.NONE]
_INSIDE = np.ones((256, 256), np.float32)


def _transferred(method, image, scene):
    return colour_transfer.apply(colour_transfer.fit(method, image, scene, _INSIDE), image)


@pytest.mark.parametrize("method", _MATCHING)
def test_face_gets_mean_and_spread_of_the_scene(photograph, method):
    tinted = np.clip(photograph * [0.9, 1.0, 0.8] + [0.05, 0.0, 0.1], 0, 1).astype(np.float32)
    images = _transferred(method, tinted, photograph), photograph
    moved, goal = (colour_transfer.to_lab(image).reshape(-1, 3) for image in images)
    np.testing.assert_allclose(moved.mean(0), goal.mean(0), atol=0.3)
    np.testing.assert_allclose(moved.std(0), goal.std(0), rtol=0.05)


@pytest.mark.parametrize("method", [ColourMethod.COVARIANCE, ColourMethod.TRANSPORT])
def test_correlations_of_channels_become_those_of_the_scene(photograph, method):
    """Red cheeks in shadow are not red cheeks in the light: channels alone cannot tell."""
    mixing = np.array([[1.0, 0.2, 0.0], [0.2, 1.0, 0.1], [0.0, 0.1, 1.0]])
    scene = (0.5 + 0.3 * (photograph - 0.5)).astype(np.float32)
    mixed = (0.5 + (scene - 0.5) @ mixing).astype(np.float32)
    moved = _transferred(method, mixed, scene)
    covariances = [
        np.cov(colour_transfer.to_lab(image).reshape(-1, 3).T) for image in (moved, mixed, scene)
    ]
    errors = [np.abs(covariance - covariances[2]).max() for covariance in covariances[:2]]
    assert errors[0] < 0.1 * errors[1]


def test_covariance_transfer_is_the_map_that_moves_colours_least():
    """Against the closed form for Gaussians, on samples with known covariances."""
    random = np.random.default_rng(0)
    a, b = np.diag([2.0, 1.0, 0.5]), np.array([[2.0, 0.2, 0.0], [0.2, 1.1, 0.0], [0.0, 0.0, 0.5]])
    face = random.multivariate_normal(np.zeros(3), a, 200_000)
    goal = random.multivariate_normal(np.zeros(3), b, 200_000)
    root = scipy.linalg.sqrtm(a)
    inverse = np.linalg.inv(root)
    expected = inverse @ scipy.linalg.sqrtm(root @ b @ root) @ inverse
    np.testing.assert_allclose(colour_transfer._monge(face, goal), expected, atol=0.02)


def test_histogram_transfer_matches_that_of_scikit_image(photograph):
    dark = np.square(photograph)
    transfer = colour_transfer.fit(ColourMethod.HISTOGRAM, dark, photograph, _INSIDE)
    moved = transfer.map_lab(colour_transfer.to_lab(dark))
    expected = match_histograms(
        colour_transfer.to_lab(dark), colour_transfer.to_lab(photograph), channel_axis=-1
    )
    # 64 quantiles leave the outermost half percent where they are.
    assert np.abs(moved - expected).mean() < 0.02 * np.ptp(expected)


@pytest.mark.parametrize("method", list(ColourMethod))
def test_transfer_from_the_image_itself_changes_nothing(photograph, method):
    same = _transferred(method, photograph, photograph)
    np.testing.assert_allclose(same, photograph, atol=1 / 255)  # one grey level
