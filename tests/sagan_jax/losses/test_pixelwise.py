"""Loss terms against TensorFlow, scikit-image and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
from skimage.metrics import structural_similarity

from sagan_jax.losses import adversarial, pixelwise, ssim


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
        a, b, channel_axis=-1, data_range=1.0, gaussian_weights=True, use_sample_covariance=False,
        full=True,
    )  # fmt: skip
    np.testing.assert_allclose(ssim.ssim(a, b), full[5:-5, 5:-5], atol=2e-3)


def test_equal_images_lose_nothing(pair):
    a, _ = pair
    assert float(ssim.structure(a, a)) == pytest.approx(0, abs=1e-5)
    assert float(pixelwise.reconstruction(
        a, a, jnp.ones(a.shape), background_weight=0.1, eyes_weight=1.0, mouth_weight=1.0
    )) == 0  # fmt: skip


def test_reconstruction_weighs_regions():
    image = jnp.zeros((1, 4, 4, 3))
    face = jnp.zeros((1, 4, 4, 3)).at[:, :2, :, 0].set(1.0).at[:, 0, :, 1].set(1.0)
    arguments = {"background_weight": 0.5, "eyes_weight": 2.0, "mouth_weight": 1.0}
    weights = np.array([3.0, 1.0, 0.5, 0.5])
    for row in range(4):
        target = image.at[:, row].set(1.0)
        loss = float(pixelwise.reconstruction(image, target, face, **arguments))
        assert loss == pytest.approx(weights[row] / weights.sum())


def test_mask_cross_entropy_equals_keras():
    logits = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype(np.float32)
    mask = (np.random.default_rng(1).uniform(size=logits.shape) > 0.5).astype(np.float32)
    expected = tf.nn.sigmoid_cross_entropy_with_logits(mask, logits).numpy().mean()
    assert float(pixelwise.mask_cross_entropy(logits, mask)) == pytest.approx(expected, rel=1e-5)


def test_total_variation_equals_tensorflow():
    x = np.random.default_rng(0).uniform(size=(1, 9, 9, 2)).astype(np.float32)
    pairs = 9 * 8 * 2  # of neighbours along one axis, both channels
    expected = tf.image.total_variation(tf.constant(x)).numpy()[0] / pairs
    assert float(pixelwise.total_variation(x)) == pytest.approx(expected, rel=1e-5)


def test_hinge_losses():
    real, fake = jnp.array([2.0, 0.5]), jnp.array([-3.0, 0.0])
    assert float(adversarial.hinge_discriminator(real, fake)) == pytest.approx(0.25 + 0.5)
    assert float(adversarial.hinge_discriminator(jnp.zeros(3), jnp.zeros(3))) == 2
    assert float(adversarial.hinge_generator(fake)) == pytest.approx(1.5)
    assert jax.grad(adversarial.hinge_generator)(fake).tolist() == [-0.5, -0.5]


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


def test_ms_ssim_has_a_gradient_where_structures_are_opposite(pair):
    a, _ = pair
    assert np.isfinite(jax.jit(jax.grad(ssim.ms_ssim))(a, 1 - a)).all()


def test_edges_compare_the_strength_of_neighbouring_differences(pair):
    a, b = pair
    expected = sum(
        np.abs(np.abs(np.diff(a, axis=axis)) - np.abs(np.diff(b, axis=axis))).mean()
        for axis in (2, 3)
    )
    assert float(pixelwise.edges(a, b)) == pytest.approx(expected, rel=1e-5)
    # A step up and a step down are the same edge.
    assert float(pixelwise.edges(a, 1 - a)) == pytest.approx(0, abs=1e-6)


def test_a_region_counts_the_same_whatever_its_area():
    image = jnp.zeros((1, 8, 8, 3))
    for area in (1, 4, 8):
        region = jnp.zeros((1, 8, 8, 1)).at[:, 0, :area].set(1.0)
        loss = pixelwise.within(image, image.at[:, 0, :area].set(0.3), region)
        assert float(loss) == pytest.approx(0.3, rel=1e-5)
    assert float(pixelwise.within(image, image + 1, jnp.zeros((1, 8, 8, 1)))) == 0


def test_mask_hinge_opens_up_to_its_margin():
    mask = jnp.array([0.0, 0.3, 0.5, 1.0])
    assert float(pixelwise.mask_hinge(mask, jnp.float32(0.4))) == pytest.approx((0.4 + 0.1) / 4)


def test_mixup_and_least_squares():
    scores = jnp.array([0.2, 0.8])
    assert float(adversarial.mixup_discriminator(scores, jnp.float32(0.5))) == pytest.approx(0.09)
    # At the ends it is LSGAN: real 1, generated 0.
    assert float(adversarial.mixup_discriminator(scores, jnp.float32(1))) == pytest.approx(
        float(adversarial.least_squares_generator(scores))
    )


def test_relativistic_losses_are_those_of_the_paper():
    random = np.random.default_rng(0)
    real, fake = (random.normal(size=(2, 5, 3, 3, 1)).astype(np.float32) for _ in range(2))
    expected = {"discriminator": 0.0, "generator": 0.0}
    for r, f in zip(real, fake, strict=True):
        above, below = r - f.mean(), f - r.mean()
        expected["discriminator"] += (((above - 1) ** 2).mean() + ((below + 1) ** 2).mean()) / 4
        expected["generator"] += (((above + 1) ** 2).mean() + ((below - 1) ** 2).mean()) / 4
    assert float(adversarial.relativistic_discriminator(real, fake)) == pytest.approx(
        expected["discriminator"], rel=1e-5
    )
    assert float(adversarial.relativistic_generator(real, fake)) == pytest.approx(
        expected["generator"], rel=1e-5
    )
    assert float(adversarial.relativistic_discriminator(jnp.zeros((1, 3)), jnp.zeros((1, 3)))) == 1


def test_gradient_penalty_of_a_linear_critic_is_its_weight():
    weight = jax.random.normal(jax.random.key(0), (4, 4, 3))

    def score(x):
        return jnp.broadcast_to((x * weight).sum((1, 2, 3))[:, None, None, None], (2, 3, 3, 1))

    penalty = adversarial.gradient_penalty(
        score, jax.random.uniform(jax.random.key(1), (2, 4, 4, 3))
    )
    assert float(penalty) == pytest.approx(0.5 * float(jnp.square(weight).sum()), rel=1e-5)
