"""Attention by rows, against SciPy's softmax and against attention at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from jax.test_util import check_grads

from sagan_jax.networks import attention


def _use_rows_only(monkeypatch):
    monkeypatch.setattr(attention, "_WHOLE", 0)
    monkeypatch.setattr(attention, "_ROWS", 4)


@pytest.fixture
def by_rows(monkeypatch):
    _use_rows_only(monkeypatch)


def _inputs(scale=1.0, dtype=jnp.float32):
    keys = jax.random.split(jax.random.key(0), 3)
    shapes = (2, 12, 3), (2, 16, 3), (2, 16, 5)
    return [
        (scale * jax.random.normal(key, shape)).astype(dtype)
        for key, shape in zip(keys, shapes, strict=True)
    ]


@pytest.mark.parametrize("scale", [1.0, 30.0])  # 30: products whose exponential overflows
def test_values_equal_scipy(by_rows, scale):
    query, key, value = _inputs(scale)
    logits = np.einsum("nqc,nkc->nqk", np.float64(query), np.float64(key))
    expected = scipy.special.softmax(logits, -1) @ np.float64(value)
    np.testing.assert_allclose(attention.attend(query, key, value), expected, atol=1e-5 * scale)


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_gradients_equal_those_of_attention_at_once(monkeypatch, scale):
    inputs = _inputs(scale)
    weight = jax.random.normal(jax.random.key(1), (2, 12, 5))

    def gradients():
        def loss(*inputs):
            return (weight * attention.attend(*inputs)).sum()

        return jax.grad(loss, argnums=(0, 1, 2))(*inputs)

    whole = gradients()
    _use_rows_only(monkeypatch)
    for ours, expected in zip(gradients(), whole, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


def test_gradients_of_gradients_are_right(by_rows):
    def penalty(query, key, value):
        gradient = jax.grad(lambda query: jnp.sin(attention.attend(query, key, value)).sum())
        return jnp.square(gradient(query)).sum()

    check_grads(penalty, _inputs(), order=1, modes=["rev"], rtol=2e-2)


def test_bfloat16_stays_bfloat16(by_rows):
    def total(*inputs):
        return attention.attend(*inputs).sum()

    inputs = _inputs(dtype=jnp.bfloat16)
    arrays = [attention.attend(*inputs), *jax.grad(total, argnums=(0, 1, 2))(*inputs)]
    assert {array.dtype for array in arrays} == {jnp.dtype(jnp.bfloat16)}
