"""Convolution and its gradients, against XLA's own and Flax's layer."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from sagan_jax.networks.convolution import Conv, convolve


def _xla(x, kernel, stride):
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


# Results of at most 4x4 are computed in a different way from larger ones.
_CASES = [
    # height, width, size, stride
    (12, 10, 3, 1),
    (8, 8, 3, 2),
    (4, 4, 3, 1),
    (20, 24, 3, 2),
    (16, 16, 4, 2),
    (15, 19, 4, 2),
    (7, 5, 5, 2),
    (12, 12, 1, 1),
    (16, 16, 5, 1),
]


@pytest.mark.parametrize(("height", "width", "size", "stride"), _CASES)
def test_values_and_gradients_equal_xla(height, width, size, stride):
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (3, height, width, 5))
    kernel = jax.random.normal(keys[1], (size, size, 5, 7))
    expected, xla_vjp = jax.vjp(lambda x, k: _xla(x, k, stride), x, kernel)
    result, our_vjp = jax.vjp(lambda x, k: convolve(x, k, stride), x, kernel)
    gradient = jax.random.normal(keys[2], expected.shape)
    np.testing.assert_allclose(result, expected, rtol=0, atol=2e-5)
    for ours, theirs in zip(our_vjp(gradient), xla_vjp(gradient), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-4)


@pytest.mark.parametrize("side", [6, 12])
def test_gradients_of_gradients_are_right(side):
    x = jax.random.normal(jax.random.key(0), (2, side, side, 2))
    kernel = jax.random.normal(jax.random.key(1), (4, 4, 2, 3))

    def penalty(x, kernel):
        # R1 takes the gradient of a squared gradient.
        return jnp.square(jax.grad(lambda x: jnp.sin(convolve(x, kernel, 2)).sum())(x)).sum()

    check_grads(penalty, (x, kernel), order=1, modes=["rev"], rtol=2e-2)


def test_the_layer_equals_flax():
    x = jax.random.normal(jax.random.key(0), (2, 9, 9, 4))
    theirs, key = nn.Conv(6, (3, 3), strides=2), jax.random.key(1)
    params = theirs.init(key, x)
    ours = Conv(6, 3, stride=2)
    assert jax.tree.map(jnp.shape, ours.init(key, x)) == jax.tree.map(jnp.shape, params)
    params = jax.tree.map(lambda leaf: leaf + 0.1, params)
    np.testing.assert_allclose(ours.apply(params, x), theirs.apply(params, x), rtol=0, atol=1e-5)


def test_bfloat16_stays_bfloat16():
    x = jnp.ones((1, 12, 12, 2), jnp.bfloat16)
    kernel = jnp.ones((3, 3, 2, 3), jnp.bfloat16)
    gradients = jax.grad(lambda x, k: convolve(x, k, 1).sum(), (0, 1))(x, kernel)
    assert {leaf.dtype for leaf in gradients} == {jnp.dtype(jnp.bfloat16)}
