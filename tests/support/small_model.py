"""A small generator for tests of the networks."""

import dataclasses

import jax

from sagan_jax.configs.presets import PRESETS
from sagan_jax.networks.generator import Generator

SMALL = dataclasses.replace(
    PRESETS["demo64"]().model,
    encoder_widths=(8, 8, 16, 16),
    latent=16,
    shared_width=16,
    decoder_widths=(16, 8),
    discriminator_widths=(8, 16),
)


def init_generator(config):
    """Returns a generator, its variables and random inputs `[2, 3, *config.input_shape]`."""
    x = jax.random.normal(jax.random.key(0), (2, 3, *config.input_shape))
    generator = Generator(config)
    return generator, jax.jit(generator.init)(jax.random.key(1), x), x
