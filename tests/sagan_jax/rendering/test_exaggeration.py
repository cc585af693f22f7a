"""Exaggeration against a Gaussian filter."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from sagan_jax.rendering import exaggeration


def _faces(side, sigma):
    noise = np.random.default_rng(0).standard_normal((2, 3, side, side, 3))
    smooth = gaussian_filter(noise, (0, 0, sigma, sigma, 0), mode="nearest")
    generated, other = 0.5 + 0.1 * smooth / smooth.std()
    return generated.astype(np.float32), other.astype(np.float32)


def test_constant_difference_is_added_unchanged():
    generated = np.full((2, 64, 64, 3), [0.6, 0.5, 0.4], np.float32)
    other = np.full((2, 64, 64, 3), [0.5, 0.5, 0.8], np.float32)
    out = exaggeration.exaggerate(generated, other, 0.2)
    np.testing.assert_allclose(out, np.broadcast_to([0.62, 0.5, 0.32], out.shape), atol=1e-6)


@pytest.mark.parametrize("side", [64, 128])
def test_added_differences_are_those_that_a_gaussian_keeps(side):
    generated, other = _faces(side, side / 12)
    sigma = 0.58 * side / 16
    coarse = gaussian_filter(generated - other, (0, sigma, sigma, 0), mode="nearest")
    added = (exaggeration.exaggerate(generated, other, 0.5) - generated) / 0.5
    inside = np.s_[:, side // 8 : -side // 8, side // 8 : -side // 8]
    np.testing.assert_allclose(added[inside], coarse[inside], atol=0.02)
    assert np.abs(coarse[inside]).max() > 0.15  # so that the tolerance means something


@pytest.mark.parametrize("side", [64, 128])
def test_fine_differences_make_no_ghosts(side):
    generated = np.full((1, side, side, 3), 0.5, np.float32)
    stripes = (np.arange(side) % 2).astype(np.float32)[:, None, None]
    out = exaggeration.exaggerate(generated, generated + 0.2 * (stripes - 0.5), 0.5)
    np.testing.assert_allclose(out, generated, atol=0.004)


def test_output_stays_in_the_range_of_an_image():
    generated, other = np.random.default_rng(0).random((2, 1, 64, 64, 3), np.float32).round()
    out = np.asarray(exaggeration.exaggerate(generated, other, 0.5))
    assert out.min() >= 0 and out.max() <= 1
