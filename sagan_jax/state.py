"""Everything that a run is, between two steps: one pytree."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax

from sagan_jax import layers
from sagan_jax.config import Config
from sagan_jax.discriminator import Discriminator
from sagan_jax.generator import Generator

Params = Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """The state of both players.

    Randomness is not part of it: every step draws from `fold_in(seed, step)`.

    Attributes:
      step: scalar int32, steps done.
      generator: parameters of encoder and both decoders, float32.
      ema: their moving average, what is rendered with.
      generator_moments: optimiser state.
      discriminator: `(A, B)` parameters of the two critics, float32.
      discriminator_moments: optimiser state.
      power_vectors: `(A, B)` left singular vectors of the spectral normalisation.
    """

    step: jax.Array
    generator: Params
    ema: Params
    generator_moments: optax.OptState
    discriminator: tuple[Params, Params]
    discriminator_moments: optax.OptState
    power_vectors: tuple[Params, Params]

    def images_seen(self, config: Config) -> jax.Array:
        """Images of both identities the generator has been trained on; scalar float32."""
        return (self.step * (2 * config.batch)).astype(jnp.float32)


def generator_optimiser(config: Config) -> optax.GradientTransformation:
    """AdamW at rate 1: the step scales the update by the scheduled rate."""
    return optax.chain(
        optax.clip_by_global_norm(config.optimiser.clip),
        optax.scale_by_adam(b1=0.9, b2=0.99),
        optax.add_decayed_weights(config.optimiser.weight_decay, mask=_kernels),
    )


def discriminator_optimiser(config: Config) -> optax.GradientTransformation:
    """Adam without momentum, as spectrally normalised critics like it (SAGAN, 2019)."""
    return optax.chain(
        optax.clip_by_global_norm(config.optimiser.clip),
        optax.scale_by_adam(b1=0.0, b2=0.99),
    )


def create(key: jax.Array, config: Config) -> TrainState:
    """The state before the first step; call it under `jit` to have it born on the devices.

    The key is an argument of the compiled function: were it a constant, XLA would draw all
    random numbers while compiling, in 20 s.
    """
    key_g, key_a, key_b, key_power = jax.random.split(key, 4)
    side = config.model.resolution
    generator = Generator(config.model).init(key_g, jnp.zeros((2, 1, side, side, 3)))["params"]
    critic, pair = Discriminator(config.model), jnp.zeros((1, side, side, 3))
    discriminator = tuple(critic.init(key, pair, pair)["params"] for key in (key_a, key_b))
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        generator=generator,
        # A copy: the state is donated, and one buffer cannot be given away twice.
        ema=jax.tree.map(jnp.copy, generator),
        generator_moments=generator_optimiser(config).init(generator),
        discriminator=discriminator,
        discriminator_moments=discriminator_optimiser(config).init(discriminator),
        power_vectors=tuple(
            layers.init_power_vectors(key, params)
            for key, params in zip(jax.random.split(key_power), discriminator, strict=True)
        ),
    )


def _kernels(params: Params) -> Params:
    """True for what weight decay applies to: everything with two axes or more."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)
