"""Adversarial losses against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sagan_jax.losses import adversarial


def test_hinge_losses_equal_their_formulas():
    real, fake = jnp.array([2.0, 0.5]), jnp.array([-3.0, 0.0])
    assert float(adversarial.hinge_discriminator(real, fake)) == pytest.approx(0.25 + 0.5)
    assert float(adversarial.hinge_discriminator(jnp.zeros(3), jnp.zeros(3))) == 2
    assert float(adversarial.hinge_generator(fake)) == pytest.approx(1.5)
    assert jax.grad(adversarial.hinge_generator)(fake).tolist() == [-0.5, -0.5]


def test_mixup_at_its_ends_is_least_squares():
    scores = jnp.array([0.2, 0.8])
    assert float(adversarial.mixup_discriminator(scores, jnp.float32(0.5))) == pytest.approx(0.09)
    # At the ends, mixup is LSGAN: real 1, generated 0.
    assert float(adversarial.mixup_discriminator(scores, jnp.float32(1))) == pytest.approx(
        float(adversarial.least_squares_generator(scores))
    )


def test_relativistic_losses_equal_those_of_the_paper():
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


def test_gradient_penalty_of_a_linear_discriminator_is_half_its_squared_weight():
    weight = jax.random.normal(jax.random.key(0), (4, 4, 3))

    def score(x):
        return jnp.broadcast_to((x * weight).sum((1, 2, 3))[:, None, None, None], (2, 3, 3, 1))

    penalty = adversarial.gradient_penalty(
        score, jax.random.uniform(jax.random.key(1), (2, 4, 4, 3))
    )
    assert float(penalty) == pytest.approx(0.5 * float(jnp.square(weight).sum()), rel=1e-5)
