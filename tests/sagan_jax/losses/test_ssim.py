"""Structural similarity against TensorFlow and scikit-image."""

import jax
import numpy as np
import pytest
import tensorflow as tf
from skimage.metrics import structural_similarity

from sagan_jax.losses import ssim


@pytest.fixture
def pair():
    random = np.random.default_rng(0)
    a = random.uniform(size=(2, 3, 32, 32, 3)).astype(np.float32)
    return a, np.clip(a + random.normal(0, 0.1, a.shape), 0, 1).astype(np.float32)


def test_ssim_equals_tensorflow(pair):
    a, b = pair
    expected = tf.image.ssim(a, b, max_val=1.0).numpy().mean()
    assert float(ssim.ssim(a, b).mean()) == pytest.approx(expected, abs=1e-4)
    assert float(ssim.dssim(a, b)) == pytest.approx((1 - expected) / 2, abs=1e-4)


def test_ssim_equals_scikit_image(pair):
    a, b = (x[0, 0] for x in pair)
    _, full = structural_similarity(
        a,
        b,
        channel_axis=-1,
        data_range=1.0,
        gaussian_weights=True,
        use_sample_covariance=False,
        full=True,
    )
    np.testing.assert_allclose(ssim.ssim(a, b), full[5:-5, 5:-5], atol=2e-3)


def test_equal_images_have_no_structural_difference(pair):
    a, _ = pair
    assert float(ssim.two_scale_dssim(a, a)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(("side", "scales"), [(64, 3), (176, 5)])
def test_ms_ssim_equals_tensorflow(side, scales):
    random = np.random.default_rng(0)
    a = random.uniform(size=(2, side, side, 3)).astype(np.float32)
    b = np.clip(a + random.normal(0, 0.1, a.shape), 0, 1).astype(np.float32)
    factors = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])[:scales]
    factors = factors / factors.sum()
    expected = tf.image.ssim_multiscale(a, b, 1.0, power_factors=factors.tolist()).numpy().mean()
    measure = jax.jit(ssim.ms_ssim)
    assert float(measure(a, b)) == pytest.approx(expected, abs=1e-4)
    assert float(measure(a, a)) == pytest.approx(1, abs=1e-5)


def test_ms_ssim_has_a_finite_gradient_where_structures_are_opposite(pair):
    a, _ = pair
    assert np.isfinite(jax.jit(jax.grad(ssim.ms_ssim))(a, 1 - a)).all()
