"""Pixelwise loss terms against TensorFlow and closed forms."""

import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from sagan_jax.losses import pixelwise


@pytest.fixture
def pair():
    random = np.random.default_rng(0)
    a = random.uniform(size=(2, 3, 32, 32, 3)).astype(np.float32)
    return a, np.clip(a + random.normal(0, 0.1, a.shape), 0, 1).astype(np.float32)


def test_equal_images_have_no_reconstruction_loss(pair):
    a, _ = pair
    weights = {"background_weight": 0.1, "eyes_weight": 1.0, "mouth_weight": 1.0}
    assert float(pixelwise.reconstruction(a, a, jnp.ones(a.shape), **weights)) == 0


def test_reconstruction_weights_regions():
    image = jnp.zeros((1, 4, 4, 3))
    face = jnp.zeros((1, 4, 4, 3)).at[:, :2, :, 0].set(1.0).at[:, 0, :, 1].set(1.0)
    arguments = {"background_weight": 0.5, "eyes_weight": 2.0, "mouth_weight": 1.0}
    weights = np.array([3.0, 1.0, 0.5, 0.5])
    for row in range(4):
        target = image.at[:, row].set(1.0)
        loss = float(pixelwise.reconstruction(image, target, face, **arguments))
        assert loss == pytest.approx(weights[row] / weights.sum())


def test_mask_cross_entropy_equals_tensorflow():
    logits = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype(np.float32)
    mask = (np.random.default_rng(1).uniform(size=logits.shape) > 0.5).astype(np.float32)
    expected = tf.nn.sigmoid_cross_entropy_with_logits(mask, logits).numpy().mean()
    assert float(pixelwise.mask_cross_entropy(logits, mask)) == pytest.approx(expected, rel=1e-5)


def test_total_variation_equals_tensorflow():
    x = np.random.default_rng(0).uniform(size=(1, 9, 9, 2)).astype(np.float32)
    pairs = 9 * 8 * 2  # neighbours along one axis, both channels
    expected = tf.image.total_variation(tf.constant(x)).numpy()[0] / pairs
    assert float(pixelwise.total_variation(x)) == pytest.approx(expected, rel=1e-5)


def test_edge_difference_compares_strengths_whatever_the_sign(pair):
    a, b = pair
    expected = sum(
        np.abs(np.abs(np.diff(a, axis=axis)) - np.abs(np.diff(b, axis=axis))).mean()
        for axis in (2, 3)
    )
    assert float(pixelwise.edge_difference(a, b)) == pytest.approx(expected, rel=1e-5)
    # A step up and a step down are the same edge.
    assert float(pixelwise.edge_difference(a, 1 - a)) == pytest.approx(0, abs=1e-6)


def test_a_region_counts_the_same_whatever_its_area():
    image = jnp.zeros((1, 8, 8, 3))
    for area in (1, 4, 8):
        region = jnp.zeros((1, 8, 8, 1)).at[:, 0, :area].set(1.0)
        loss = pixelwise.region_difference(image, image.at[:, 0, :area].set(0.3), region)
        assert float(loss) == pytest.approx(0.3, rel=1e-5)
    assert float(pixelwise.region_difference(image, image + 1, jnp.zeros((1, 8, 8, 1)))) == 0


def test_mask_hinge_is_the_mean_shortfall_below_the_margin():
    mask = jnp.array([0.0, 0.3, 0.5, 1.0])
    assert float(pixelwise.mask_hinge(mask, jnp.float32(0.4))) == pytest.approx((0.4 + 0.1) / 4)
