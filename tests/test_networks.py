"""Shapes, sizes and wiring of generator and critic."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sagan_jax import layers
from sagan_jax.config import ModelConfig
from sagan_jax.discriminator import Discriminator
from sagan_jax.generator import Generator

_SMALL = ModelConfig(
    encoder_widths=(8, 8, 16, 16), latent=16, shared_width=16, decoder_widths=(16, 8),
    discriminator_widths=(8, 16),
)  # fmt: skip


def _init(config):
    x = jax.random.normal(jax.random.key(0), (2, 3, config.resolution, config.resolution, 3))
    generator = Generator(config)
    return generator, generator.init(jax.random.key(1), x), x


@pytest.mark.parametrize("resolution", [32, 64, 128])
def test_the_generator_draws_at_its_resolution(resolution):
    config = dataclasses.replace(_SMALL, resolution=resolution)
    generator, variables, x = _init(config)
    out = jax.eval_shape(generator.apply, variables, x)
    assert out.rgb.shape == x.shape
    assert out.mask_logits.shape == (*x.shape[:-1], 1)


def test_default_network_is_as_large_as_documented():
    shapes = jax.eval_shape(lambda: _init(ModelConfig())[1])
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 3_936_099


def test_one_batch_equals_encode_then_decode():
    generator, variables, x = _init(_SMALL)
    together = generator.apply(variables, x)
    for i in (0, 1):
        code = generator.apply(variables, x[i], method="encode")
        alone = generator.apply(variables, code, i, method="decode")
        np.testing.assert_allclose(together.rgb[i], alone.rgb, atol=1e-5)
    assert together.rgb.min() >= 0 and together.rgb.max() <= 1


def test_decoders_are_separate_and_the_encoder_is_shared():
    generator, variables, x = _init(_SMALL)
    gradient = jax.grad(lambda v: generator.apply(v, x).rgb[0].sum())(variables)["params"]
    size = {
        name: sum(float(abs(g).sum()) for g in jax.tree.leaves(t)) for name, t in gradient.items()
    }
    assert size["encoder"] > 0 and size["decoders_0"] > 0 and size["decoders_1"] == 0


def test_the_normalised_critic_cannot_amplify():
    critic, x = Discriminator(_SMALL), jax.random.uniform(jax.random.key(0), (4, 64, 64, 3))
    params = critic.init(jax.random.key(1), x, x)["params"]
    params = jax.tree.map(lambda leaf: 100 * leaf, params)
    vectors = layers.init_power_vectors(jax.random.key(2), params, iterations=50)
    normalised, _ = layers.spectral_normalise_tree(params, vectors)
    moved = x + 1e-2
    change = critic.apply({"params": normalised}, moved, x) - critic.apply(
        {"params": normalised}, x, x
    )
    # Each 4x4 stride-2 kernel of unit norm meets a pixel 4 times: gain at most 2 a layer.
    assert float(jnp.linalg.norm(change)) < 8 * float(jnp.linalg.norm(2 * (moved - x)))
