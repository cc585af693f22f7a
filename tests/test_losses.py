"""Loss terms against TensorFlow, scikit-image and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
from skimage.metrics import structural_similarity

from sagan_jax import losses


@pytest.fixture
def pair():
    random = np.random.default_rng(0)
    a = random.uniform(size=(2, 3, 32, 32, 3)).astype(np.float32)
    return a, np.clip(a + random.normal(0, 0.1, a.shape), 0, 1).astype(np.float32)


def test_ssim_equals_tensorflow(pair):
    a, b = pair
    expected = tf.image.ssim(a, b, max_val=1.0).numpy().mean()
    assert float(losses.ssim(a, b).mean()) == pytest.approx(expected, abs=1e-4)
    assert float(losses.dssim(a, b)) == pytest.approx((1 - expected) / 2, abs=1e-4)


def test_ssim_equals_scikit_image(pair):
    a, b = (x[0, 0] for x in pair)
    _, full = structural_similarity(
        a, b, channel_axis=-1, data_range=1.0, gaussian_weights=True, use_sample_covariance=False,
        full=True,
    )  # fmt: skip
    np.testing.assert_allclose(losses.ssim(a, b), full[5:-5, 5:-5], atol=2e-3)


def test_equal_images_lose_nothing(pair):
    a, _ = pair
    assert float(losses.structure(a, a)) == pytest.approx(0, abs=1e-5)
    assert float(losses.reconstruction(
        a, a, jnp.ones(a.shape), background_weight=0.1, eyes_weight=1.0, mouth_weight=1.0
    )) == 0  # fmt: skip


def test_reconstruction_weighs_regions():
    image = jnp.zeros((1, 4, 4, 3))
    face = jnp.zeros((1, 4, 4, 3)).at[:, :2, :, 0].set(1.0).at[:, 0, :, 1].set(1.0)
    arguments = {"background_weight": 0.5, "eyes_weight": 2.0, "mouth_weight": 1.0}
    weights = np.array([3.0, 1.0, 0.5, 0.5])
    for row in range(4):
        target = image.at[:, row].set(1.0)
        loss = float(losses.reconstruction(image, target, face, **arguments))
        assert loss == pytest.approx(weights[row] / weights.sum())


def test_mask_cross_entropy_equals_keras():
    logits = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype(np.float32)
    mask = (np.random.default_rng(1).uniform(size=logits.shape) > 0.5).astype(np.float32)
    expected = tf.nn.sigmoid_cross_entropy_with_logits(mask, logits).numpy().mean()
    assert float(losses.mask_cross_entropy(logits, mask)) == pytest.approx(expected, rel=1e-5)


def test_total_variation_equals_tensorflow():
    x = np.random.default_rng(0).uniform(size=(1, 9, 9, 2)).astype(np.float32)
    pairs = 9 * 8 * 2  # of neighbours along one axis, both channels
    expected = tf.image.total_variation(tf.constant(x)).numpy()[0] / pairs
    assert float(losses.total_variation(x)) == pytest.approx(expected, rel=1e-5)


def test_hinge_losses():
    real, fake = jnp.array([2.0, 0.5]), jnp.array([-3.0, 0.0])
    assert float(losses.hinge_discriminator(real, fake)) == pytest.approx(0.25 + 0.5)
    assert float(losses.hinge_discriminator(jnp.zeros(3), jnp.zeros(3))) == 2
    assert float(losses.hinge_generator(fake)) == pytest.approx(1.5)
    assert jax.grad(losses.hinge_generator)(fake).tolist() == [-0.5, -0.5]
