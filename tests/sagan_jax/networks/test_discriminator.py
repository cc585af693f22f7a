"""Gain of the discriminator."""

import jax
import jax.numpy as jnp

from sagan_jax.networks import spectral_norm
from sagan_jax.networks.discriminator import Discriminator
from tests.support.small_model import SMALL


def test_the_normalised_discriminator_cannot_amplify():
    discriminator, x = Discriminator(SMALL), jax.random.uniform(jax.random.key(0), (4, 64, 64, 3))
    params = jax.jit(discriminator.init)(jax.random.key(1), x, x)["params"]
    params = jax.tree.map(lambda leaf: 100 * leaf, params)
    vectors = spectral_norm.init_power_vectors(jax.random.key(2), params, iterations=50)
    normalised, _ = spectral_norm.spectral_normalise_tree(params, vectors)
    score = jax.jit(lambda x, condition: discriminator.apply({"params": normalised}, x, condition))
    moved = x + 1e-2
    change = score(moved, x) - score(x, x)
    # Each 4x4 stride-2 kernel of unit norm meets a pixel 4 times: gain at most 2 a layer.
    assert float(jnp.linalg.norm(change)) < 8 * float(jnp.linalg.norm(2 * (moved - x)))
