"""One training step: (state, data) to (state, metrics), compiled as a whole.

Sampling, augmentation, both players, their optimisers and the moving average are inside;
the host only dispatches.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from sagan_jax.configs import schedule
from sagan_jax.configs.config import Config
from sagan_jax.data import augment, recolour
from sagan_jax.data.identity_crops import Identity, sample_crops
from sagan_jax.devices import distributed
from sagan_jax.inputs.generator_input import assemble, inner_region
from sagan_jax.inputs.push_pull import extrapolate
from sagan_jax.losses import perceptual
from sagan_jax.networks import precision
from sagan_jax.networks.layers import STAGE
from sagan_jax.networks.precision import Params
from sagan_jax.training import objective
from sagan_jax.training.objective import Metrics
from sagan_jax.training.train_state import (
    TrainState,
    discriminator_optimiser,
    fixed_parts,
    generator_optimiser,
    root_key,
    swap_decoders,
)

Data = tuple[Identity, Identity]

# What is left of the learning rates after each setback (see `TrainState`).
SETBACK = 0.5


def make_step(
    config: Config, mesh: Mesh
) -> Callable[[TrainState, Data], tuple[TrainState, Metrics]]:
    """Compiles the step for one configuration and one set of devices.

    The state is donated: use only what the step returns. State and data are replicated,
    the batch is shared out over the mesh, and XLA adds the one sum of the gradients.

    Where a loss or a gradient is not finite, the state stays as it was but for its counts of
    steps and of skipped steps; the latter is among the metrics.

    Returns:
      A function that takes `config.execution.dispatch` steps and returns the metrics of the
      last.

    Raises:
      InputError: if the weights of the perceptual loss are wanted and missing.
    """
    frozen = None
    if schedule.in_use(config.loss.perceptual):
        # An argument: constants as large as these would be folded while compiling.
        frozen = distributed.place(perceptual.load(config.loss.perceptual_network), mesh)
    return functools.partial(jitted_step(config, mesh), frozen=frozen)


def jitted_step(config: Config, mesh: Mesh) -> Any:
    """The step before it is compiled, to be looked at; `make_step` is what one calls."""
    config = precision.resolved(config, mesh.devices.flat[0])
    everywhere = distributed.replicated(mesh)

    def one(state: TrainState, data: Data, frozen: Params | None) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(root_key(config.seed), state.step)
        batch = sample_batch(key, data, state.images_seen(config), config)
        batch = jax.lax.with_sharding_constraint(batch, distributed.split_batch(mesh))
        state, metrics = update(state, batch, data, jax.random.fold_in(key, 2), frozen, config)
        return _events(state, config), metrics

    def step(
        state: TrainState, data: Data, frozen: Params | None = None
    ) -> tuple[TrainState, Metrics]:
        with precision.exact():
            if config.execution.dispatch == 1:
                return one(state, data, frozen)
            state, metrics = jax.lax.scan(
                lambda state, _: one(state, data, frozen), state, length=config.execution.dispatch
            )
            return state, jax.tree.map(lambda values: values[-1], metrics)

    return jax.jit(step, donate_argnums=0, out_shardings=(everywhere, everywhere))


def sample_batch(
    key: jax.Array, data: Data, images_seen: jax.Array, config: Config
) -> augment.Augmented:
    """A batch of both identities, augmented; every leaf `[2, N, R, R, C]`.

    The input is normalised by the colours of its own person.
    """
    warp = schedule.at(config.augment.warp, images_seen)
    parts = [
        _sample_one(jax.random.fold_in(key, i), data[i], data[1 - i], warp, config) for i in (0, 1)
    ]
    return jax.tree.map(lambda a, b: jnp.stack([a, b]), *parts)


def _sample_one(
    key: jax.Array, data: Identity, other: Identity, warp: jax.Array, config: Config
) -> augment.Augmented:
    key_sample, key_augment, key_colour = jax.random.split(key, 3)
    settings = config.augment
    images, masks = sample_crops(key_sample, data, config.batch)
    if settings.colour_match:
        key_other, key_match = jax.random.split(jax.random.fold_in(key, 3))
        others, other_masks = sample_crops(key_other, other, config.batch)
        images = recolour.match_colours(
            key_match, images, masks[..., :1], others, other_masks[..., :1], settings.colour_match
        )
    batch = augment.augment(key_augment, images, masks, settings, warp, config.model.columns)
    if settings.continue_face:
        face = inner_region(batch.masks[..., :1])
        batch = batch._replace(target=extrapolate(batch.target, face))
    batch = augment.degrade_input(jax.random.fold_in(key, 4), batch, settings)
    clean = assemble(batch.shown, batch.guides, data.mean, data.std, config.model)
    return batch._replace(input=augment.colour_jitter(key_colour, clean, settings.colour))


def update(
    state: TrainState,
    batch: augment.Augmented,
    people: Data,
    key: jax.Array,
    frozen: Params | None,
    config: Config,
) -> tuple[TrainState, Metrics]:
    """Both players from one forward pass of the generator."""
    images = state.images_seen(config)
    rate = schedule.learning_rate_factor(images, config.optimiser, config.images)
    rate = rate * jnp.float32(SETBACK) ** state.setbacks.astype(jnp.float32)
    weights = schedule.loss_weights(config.loss, images)
    discriminators, vectors = objective.normalised(state.discriminator, state.power_vectors, config)

    def gradients(batch: augment.Augmented, key: jax.Array) -> tuple[Params, Params, Metrics]:
        return _gradients(state, discriminators, batch, people, weights, key, frozen, config)

    generator_gradient, discriminator_gradient, metrics = _in_parts(
        gradients, batch, key, config.execution.accumulate
    )
    generator, generator_moments = _descend(
        generator_optimiser(config),
        generator_gradient,
        state.generator_moments,
        state.generator,
        rate * config.optimiser.generator_rate,
    )
    discriminator, discriminator_moments = _descend(
        discriminator_optimiser(config),
        discriminator_gradient,
        state.discriminator_moments,
        state.discriminator,
        rate * config.optimiser.discriminator_rate,
    )
    decay = schedule.ema_decay(images, config.optimiser, 2 * config.batch)
    norms = {
        "gradient_norm": optax.tree.norm(generator_gradient),
        "critic_gradient_norm": optax.tree.norm(discriminator_gradient),
    }
    proposed = dataclasses.replace(
        state,
        generator=generator,
        ema=_averaged(generator, state.ema, decay, config),
        generator_moments=generator_moments,
        discriminator=discriminator,
        discriminator_moments=discriminator_moments,
        power_vectors=vectors,
    )
    losses = [metrics["generator"], metrics["critic"]]
    finite = jnp.isfinite(jnp.stack([*losses, *norms.values()])).all()
    after = jax.tree.map(lambda new, old: jnp.where(finite, new, old), proposed, state)
    after = dataclasses.replace(
        after, step=state.step + 1, skipped=state.skipped + 1 - finite.astype(jnp.int32)
    )
    rate = rate * config.optimiser.generator_rate
    counts = {"skipped": after.skipped, "setbacks": after.setbacks}
    return after, metrics | norms | counts | {"rate": rate}


def _gradients(
    state: TrainState,
    discriminators: tuple[Params, Params],
    batch: augment.Augmented,
    people: Data,
    weights: objective.Weights,
    key: jax.Array,
    frozen: Params | None,
    config: Config,
) -> tuple[Params, Params, Metrics]:
    """Of the generator and of the critics, from one forward pass of the generator."""
    key_generator, key_discriminator = jax.random.split(key)

    def draw(params: Params) -> objective.Generated:
        return objective.generate(_held(params, config), batch, people, config)

    if config.execution.rematerialise:
        draw = jax.checkpoint(draw, policy=jax.checkpoint_policies.save_only_these_names(STAGE))
    drawn, generator_vjp = jax.vjp(draw, state.generator)
    (_, metrics), output_gradient = jax.value_and_grad(objective.generator_loss, has_aux=True)(
        drawn, batch, discriminators, weights, key_generator, frozen, config
    )
    (generator_gradient,) = generator_vjp(output_gradient)
    fake = jax.lax.stop_gradient(objective.judged(drawn.own, batch, config))
    (_, thoughts), discriminator_gradient = jax.value_and_grad(
        objective.discriminator_loss, has_aux=True
    )(state.discriminator, state.power_vectors, fake, batch, weights, key_discriminator, config)
    return generator_gradient, discriminator_gradient, metrics | thoughts


def _in_parts(
    function: Callable[[augment.Augmented, jax.Array], Any],
    batch: augment.Augmented,
    key: jax.Array,
    count: int,
) -> Any:
    """The mean of a function over so many parts of a batch, one after the other."""
    if count == 1:
        return function(batch, key)

    def parted(x: jax.Array) -> jax.Array:
        # Every so manyeth image, so that each device's share of a part is of its own.
        return jnp.moveaxis(x.reshape(2, -1, count, *x.shape[2:]), 2, 0)

    parts = jax.tree.map(parted, batch), jax.random.split(key, count)
    first = jax.tree.map(lambda x: x[0], parts)
    total = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(function, *first))
    # A loop over convolutions is 20 times slower on a CPU.
    unroll = count if jax.default_backend() == "cpu" else 1
    total, _ = jax.lax.scan(
        lambda total, part: (jax.tree.map(jnp.add, total, function(*part)), None),
        total, parts, unroll=unroll,
    )  # fmt: skip
    return jax.tree.map(lambda x: x / count, total)


def _held(params: Params, config: Config) -> Params:
    """The same, without gradients of frozen parts: XLA then leaves out what computes them."""
    if not config.freeze:
        return params
    fixed = fixed_parts(params, config)
    return jax.tree.map(lambda f, p: jax.lax.stop_gradient(p) if f else p, fixed, params)


def _averaged(params: Params, ema: Params, decay: jax.Array, config: Config) -> Params:
    """The moving average; of a frozen part bit for bit that part."""
    averaged = optax.incremental_update(params, ema, 1 - decay)
    fixed = fixed_parts(params, config)
    return jax.tree.map(lambda f, p, a: p if f else a, fixed, params, averaged)


def _events(state: TrainState, config: Config) -> TrainState:
    """What happens once, between two steps."""
    if config.swap_decoders_at is None:
        return state
    seen, per_step = state.images_seen(config), 2 * config.batch
    now = (seen >= config.swap_decoders_at) & (seen - per_step < config.swap_decoders_at)
    return jax.lax.cond(now, swap_decoders, lambda same: same, state)


def _descend(
    optimiser: optax.GradientTransformation,
    gradient: Params,
    moments: optax.OptState,
    params: Params,
    rate: jax.Array,
) -> tuple[Params, optax.OptState]:
    # Optax raises Python floats to integer counts, which strict promotion forbids.
    with jax.numpy_dtype_promotion("standard"):
        updates, moments = optimiser.update(gradient, moments, params)
    return jax.tree.map(lambda p, u: p - rate * u, params, updates), moments
