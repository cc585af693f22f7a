"""Building blocks against NumPy, TensorFlow and Linen."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from sagan_jax.networks import layers, resampling, spectral_norm


def test_spectral_norm_converges_to_the_largest_singular_value():
    kernel = jax.random.normal(jax.random.key(0), (3, 3, 8, 16))
    u = spectral_norm.init_power_vectors(jax.random.key(1), kernel, iterations=200)
    normalised, _ = spectral_norm.spectral_normalise(kernel, u)
    values = np.linalg.svd(np.asarray(normalised).reshape(-1, 16), compute_uv=False)
    assert values[0] == pytest.approx(1.0, abs=1e-4)


def test_spectral_norm_equals_linen_step_by_step():
    class Normed(nn.Module):
        @nn.compact
        def __call__(self, x, update):
            return nn.SpectralNorm(nn.Dense(6, use_bias=False))(x, update_stats=update)

    x = jnp.eye(5)
    variables = Normed().init(jax.random.key(0), x, update=False)
    kernel = variables["params"]["Dense_0"]["kernel"]
    stats = variables["batch_stats"]["SpectralNorm_0"]
    u = next(v for k, v in stats.items() if k.endswith("u"))[0]
    for _ in range(3):
        theirs, changed = Normed().apply(variables, x, update=True, mutable=["batch_stats"])
        variables = {**variables, **changed}
        ours, u = spectral_norm.spectral_normalise(kernel, u)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_spectral_norm_of_a_tree_leaves_biases_alone():
    params = {"kernel": jnp.full((4, 3), 2.0), "bias": jnp.full(3, 5.0)}
    vectors = spectral_norm.init_power_vectors(jax.random.key(0), params)
    normalised, _ = spectral_norm.spectral_normalise_tree(params, vectors)
    np.testing.assert_array_equal(normalised["bias"], params["bias"])
    assert np.linalg.norm(normalised["kernel"], 2) == pytest.approx(1.0, abs=1e-5)


def test_pixel_shuffle_equals_tensorflow():
    x = np.random.default_rng(0).normal(size=(2, 5, 7, 12)).astype(np.float32)
    shuffled = resampling.depth_to_space(jnp.asarray(x))
    np.testing.assert_array_equal(shuffled, tf.nn.depth_to_space(x, 2))
    np.testing.assert_array_equal(resampling.space_to_depth(shuffled), x)


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


def test_attention_pools_its_keys_at_high_resolution():
    assert resampling.pooled(jnp.zeros((1, 64, 64, 8)), 1024).shape == (1, 32, 32, 8)
    assert resampling.pooled(jnp.zeros((1, 32, 32, 8)), 1024).shape == (1, 32, 32, 8)


def test_rms_norm_gives_unit_mean_square():
    x = 5 * jax.random.normal(jax.random.key(0), (2, 3, 3, 32)) + 1
    y, _ = layers.RMSNorm().init_with_output(jax.random.key(1), x)
    np.testing.assert_allclose(jnp.square(y).mean(-1), 1.0, rtol=1e-4)
