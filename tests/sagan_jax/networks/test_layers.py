"""Building blocks against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np

from sagan_jax.networks import layers


def test_upscaling_starts_without_a_checkerboard():
    x = jax.random.normal(jax.random.key(0), (1, 6, 6, 8))
    y, _ = layers.Upscale(4).init_with_output(jax.random.key(1), x)
    nearest = np.asarray(y)[:, ::2, ::2].repeat(2, 1).repeat(2, 2)
    np.testing.assert_allclose(y, nearest, atol=1e-6)


def test_attention_equals_numpy_and_starts_as_the_identity():
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 16))
    module = layers.SelfAttention()
    params = module.init(jax.random.key(1), x)["params"]
    np.testing.assert_array_equal(module.apply({"params": params}, x), x)

    params["gamma"] = jnp.array(0.7)
    tokens = np.asarray(x).reshape(2, 16, 16)
    query, key, value = (
        tokens @ np.asarray(params[n]["kernel"])[0, 0] + np.asarray(params[n]["bias"])
        for n in ("query", "key", "value")
    )
    logits = query @ key.transpose(0, 2, 1) / np.sqrt(2)
    weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = tokens + 0.7 * weights @ value
    np.testing.assert_allclose(
        module.apply({"params": params}, x), expected.reshape(x.shape), rtol=1e-4, atol=1e-5
    )


def test_rms_norm_gives_unit_mean_square():
    x = 5 * jax.random.normal(jax.random.key(0), (2, 3, 3, 32)) + 1
    y, _ = layers.RMSNorm().init_with_output(jax.random.key(1), x)
    np.testing.assert_allclose(jnp.square(y).mean(-1), 1.0, rtol=1e-4)
