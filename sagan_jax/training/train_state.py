"""The state of a run between two steps: one pytree."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax

from sagan_jax.configs.config import Config
from sagan_jax.networks import spectral_norm
from sagan_jax.networks.discriminator import make_discriminator
from sagan_jax.networks.generator import Generator
from sagan_jax.networks.precision import Params


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """Parameters and optimiser states of generator and discriminators.

    Randomness is not part of it: every step derives its key from `fold_in(seed, step)`.

    Attributes:
      step: scalar int32, steps done.
      skipped: scalar int32, steps that changed nothing because a loss or a gradient was not
        finite.
      setbacks: scalar int32, times the run went back to an earlier state because too many steps
        were skipped; each time the learning rates were lowered for good.
      generator: parameters of encoder and both decoders, float32.
      ema: moving average of the generator's parameters, which is rendered with.
      generator_moments: optimiser state of the generator.
      discriminator: `(A, B)` parameters of the two discriminators, float32.
      discriminator_moments: optimiser state of both discriminators.
      power_vectors: `(A, B)` left singular vectors of the spectral normalisation.
    """

    step: jax.Array
    skipped: jax.Array
    setbacks: jax.Array
    generator: Params
    ema: Params
    generator_moments: optax.OptState
    discriminator: tuple[Params, Params]
    discriminator_moments: optax.OptState
    power_vectors: tuple[Params, Params]

    def images_seen(self, config: Config) -> jax.Array:
        """Images of both identities that the generator was trained on; scalar float32."""
        return (self.step * (2 * config.batch)).astype(jnp.float32)


def generator_optimiser(config: Config) -> optax.GradientTransformation:
    """AdamW at rate 1: the training step scales its updates by the scheduled rate.

    Frozen parts have no moments and take no part in the clipping.
    """
    settings = config.optimiser
    first, second = settings.generator_betas
    # The gradient of `l2 * w**2` is `2 * l2 * w`. As in Keras, Adam scales it like the rest.
    coupled = [optax.add_decayed_weights(2 * settings.l2, mask=_kernels)] if settings.l2 else []
    optimiser = optax.chain(
        optax.clip_by_global_norm(settings.clip),
        *coupled,
        optax.scale_by_adam(b1=first, b2=second),
        optax.add_decayed_weights(settings.weight_decay, mask=_kernels),
    )
    if not config.freeze:
        return optimiser
    groups = {True: optax.set_to_zero(), False: optimiser}
    return optax.partition(groups, lambda params: fixed_parts(params, config))


def fixed_parts(params: Params, config: Config) -> Params:
    """True for every parameter of the generator that stays as it is."""
    names = {"encoder": "encoder", "decoders_0": "decoder_a", "decoders_1": "decoder_b"}
    return {
        name: jax.tree.map(lambda _, fixed=names[name] in config.freeze: fixed, part)
        for name, part in params.items()
    }


def discriminator_optimiser(config: Config) -> optax.GradientTransformation:
    """Adam at rate 1, like `generator_optimiser`.

    The presets of this project use no momentum, which suits normalised discriminators (SAGAN,
    2019).
    """
    first, second = config.optimiser.discriminator_betas
    return optax.chain(
        optax.clip_by_global_norm(config.optimiser.clip),
        optax.scale_by_adam(b1=first, b2=second),
    )


def root_key(seed: int) -> jax.Array:
    """Key from which all randomness of a run is derived, for XLA's own generator.

    With threefry, JAX's default, the initial state takes three times as long to compile (22
    against 7 s of CPU time for a tiny network), and so does every step.
    """
    return jax.random.key(seed, impl="rbg")


def create(key: jax.Array, config: Config) -> TrainState:
    """The state before the first step; call it under `jit` to create it on the devices.

    Args:
      key: random key. An argument also of the compiled function: with a constant key XLA would
        sample all random numbers while compiling, in 20 s.
      config: config of the run.
    """
    key_g, key_a, key_b, key_power = jax.random.split(key, 4)
    inputs = jnp.zeros((2, 1, *config.model.input_shape))
    generator = Generator(config.model).init(key_g, inputs)["params"]
    # A discriminator gets an RGB image and, as its condition, the generator's input.
    network, image = make_discriminator(config.model), inputs[0, ..., :3]
    discriminator = tuple(network.init(key, image, inputs[0])["params"] for key in (key_a, key_b))
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        skipped=jnp.zeros((), jnp.int32),
        setbacks=jnp.zeros((), jnp.int32),
        generator=generator,
        # A copy: the state is donated, and no buffer can be donated twice.
        ema=jax.tree.map(jnp.copy, generator),
        generator_moments=generator_optimiser(config).init(generator),
        discriminator=discriminator,
        discriminator_moments=discriminator_optimiser(config).init(discriminator),
        power_vectors=tuple(
            spectral_norm.init_power_vectors(key, params)
            for key, params in zip(jax.random.split(key_power), discriminator, strict=True)
        ),
    )


def swap_decoders(state: TrainState) -> TrainState:
    """Exchanges the decoders of A and B, with their averages and moments."""

    def swapped(tree: Any) -> Any:
        if not _has_decoders(tree):
            return tree
        return {**tree, "decoders_0": tree["decoders_1"], "decoders_1": tree["decoders_0"]}

    def everywhere(part: Any) -> Any:
        return jax.tree.map(swapped, part, is_leaf=_has_decoders)

    return dataclasses.replace(
        state,
        generator=everywhere(state.generator),
        ema=everywhere(state.ema),
        generator_moments=everywhere(state.generator_moments),
    )


def _has_decoders(tree: Any) -> bool:
    return isinstance(tree, dict) and "decoders_0" in tree


def _kernels(params: Params) -> Params:
    """True for every parameter that weight decay applies to: those of two axes or more."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)
