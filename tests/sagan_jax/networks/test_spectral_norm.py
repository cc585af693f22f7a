"""Spectral normalisation against NumPy and Linen."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sagan_jax.networks import spectral_norm


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
