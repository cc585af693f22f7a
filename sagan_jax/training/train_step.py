"""One training step: (state, data) to (state, metrics), compiled as a whole.

Sampling, augmentation, generator, discriminators, their optimisers and the moving average are
inside; the host only dispatches.
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
from sagan_jax.data.identity_crops import IdentityCrops, sample_crops
from sagan_jax.devices import distributed
from sagan_jax.inputs.generator_input import inner_region, make_input
from sagan_jax.inputs.push_pull import extrapolate
from sagan_jax.losses import perceptual
from sagan_jax.networks import precision
from sagan_jax.networks.generator import STAGE
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

Data = tuple[IdentityCrops, IdentityCrops]

# Factor of the learning rates for each setback (see `TrainState`).
SETBACK = 0.5


def make_step(
    config: Config, mesh: Mesh
) -> Callable[[TrainState, Data], tuple[TrainState, Metrics]]:
    """Compiles the step for one configuration and one set of devices.

    The state is donated: use only the one that the step returns. State and data are replicated,
    the batch is shared out over the mesh, and XLA adds the one sum of the gradients.

    Where a loss or a gradient is not finite, the state stays as it was but for its counts of
    steps and of skipped steps; the latter is among the metrics.

    Returns:
      A function that takes `config.execution.dispatch` steps and returns the metrics of the
      last.

    Raises:
      InputError: if the perceptual loss is in use and its weights are missing.
    """
    perceptual_params = None
    if schedule.in_use(config.loss.perceptual):
        # An argument of the step: XLA would fold constants as large as these while compiling.
        params = perceptual.load(config.loss.perceptual_network)
        perceptual_params = distributed.replicate(params, mesh)
    return functools.partial(jitted_step(config, mesh), perceptual_params=perceptual_params)


def jitted_step(config: Config, mesh: Mesh) -> Any:
    """The step as `jax.jit` returns it, for programs that look at what is compiled.

    It takes `(state, data, perceptual_params=None)`. To train, use `make_step`.
    """
    config = precision.resolve(config, mesh.devices.flat[0])
    everywhere = distributed.replicated_sharding(mesh)

    def one_step(
        state: TrainState, data: Data, perceptual_params: Params | None
    ) -> tuple[TrainState, Metrics]:
        # The key follows from seed and step alone, so that a resumed run samples the same.
        key = jax.random.fold_in(root_key(config.seed), state.step)
        batch = sample_batch(key, data, state.images_seen(config), config)
        batch = jax.lax.with_sharding_constraint(batch, distributed.batch_sharding(mesh))
        key_update = jax.random.fold_in(key, 2)
        state, metrics = update(state, batch, data, key_update, perceptual_params, config)
        return _with_decoders_swapped_once(state, config), metrics

    def step(
        state: TrainState, data: Data, perceptual_params: Params | None = None
    ) -> tuple[TrainState, Metrics]:
        # A scan of one step would still compile its body apart, which is slow on a CPU.
        with precision.exact():
            if config.execution.dispatch == 1:
                return one_step(state, data, perceptual_params)
            state, metrics = jax.lax.scan(
                lambda state, _: one_step(state, data, perceptual_params),
                state,
                length=config.execution.dispatch,
            )
            return state, jax.tree.map(lambda values: values[-1], metrics)

    return jax.jit(step, donate_argnums=0, out_shardings=(everywhere, everywhere))


def sample_batch(
    key: jax.Array, data: Data, images_seen: jax.Array, config: Config
) -> augment.Augmented:
    """Samples an augmented batch of both identities; every leaf `[2, N, R, R, C]`.

    Args:
      key: random key.
      data: crops of A and B.
      images_seen: images the generator was trained on; scalar float32.
      config: config of the run.
    """
    warp = schedule.at(config.augment.warp, images_seen)
    parts = [
        _sample_one(jax.random.fold_in(key, i), data[i], data[1 - i], warp, config) for i in (0, 1)
    ]
    return jax.tree.map(lambda a, b: jnp.stack([a, b]), *parts)


def _sample_one(
    key: jax.Array, data: IdentityCrops, other: IdentityCrops, warp: jax.Array, config: Config
) -> augment.Augmented:
    """Batch of one identity, its input normalised by the person's own colours."""
    key_sample, key_augment, key_colour = jax.random.split(key, 3)
    settings = config.augment
    images, masks = sample_crops(key_sample, data, config.batch)
    # Keys of optional steps are folded in, so that the others do not depend on them.
    if settings.colour_match:
        key_other, key_match = jax.random.split(jax.random.fold_in(key, 3))
        others, other_masks = sample_crops(key_other, other, config.batch)
        images = recolour.match_colours(
            key_match, images, masks[..., :1], others, other_masks[..., :1], settings.colour_match
        )
    # First come the changes of both input and target, then those of the input alone.
    batch = augment.augment(key_augment, images, masks, settings, warp, config.model.columns)
    if settings.continue_face:
        face = inner_region(batch.masks[..., :1])
        batch = batch._replace(target=extrapolate(batch.target, face))
    batch = augment.degrade_input(jax.random.fold_in(key, 4), batch, settings)
    clean = make_input(batch.input_image, batch.guides, data.mean, data.std, config.model)
    return batch._replace(input=augment.colour_jitter(key_colour, clean, settings.colour))


def update(
    state: TrainState,
    batch: augment.Augmented,
    people: Data,
    key: jax.Array,
    perceptual_params: Params | None,
    config: Config,
) -> tuple[TrainState, Metrics]:
    """Updates generator and discriminators from one forward pass of the generator.

    Args:
      state: state before the step.
      batch: output of `sample_batch`.
      people: crops of A and B, for their colours.
      key: random key of mixtures and of the discriminators' augmentation.
      perceptual_params: parameters of `losses.perceptual`; None without that term.
      config: config of the run, its precision resolved.
    """
    # Everything that is scheduled follows from the images seen.
    images = state.images_seen(config)
    rate = schedule.learning_rate_factor(images, config.optimiser, config.images)
    rate = rate * jnp.float32(SETBACK) ** state.setbacks.astype(jnp.float32)
    weights = schedule.loss_weights(config.loss, images)
    decay = schedule.ema_decay(images, config.optimiser, 2 * config.batch)

    # One power iteration a step; the generator's loss uses the same normalised discriminators.
    discriminators, vectors = objective.normalised(state.discriminator, state.power_vectors, config)

    def gradients(batch: augment.Augmented, key: jax.Array) -> tuple[Params, Params, Metrics]:
        return _gradients(
            state, discriminators, batch, people, weights, key, perceptual_params, config
        )

    generator_gradient, discriminator_gradient, metrics = _mean_over_parts(
        gradients, batch, key, config.execution.accumulate
    )
    norms = {
        "gradient_norm": optax.tree.norm(generator_gradient),
        "discriminator_gradient_norm": optax.tree.norm(discriminator_gradient),
    }

    # Both gradients are of the state before the step: neither player sees the other's update.
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
    updated = dataclasses.replace(
        state,
        generator=generator,
        ema=_moving_average(generator, state.ema, decay, config),
        generator_moments=generator_moments,
        discriminator=discriminator,
        discriminator_moments=discriminator_moments,
        power_vectors=vectors,
    )

    # One number that is not finite would stay in moments and averages for the rest of the run.
    losses = [metrics["generator"], metrics["discriminator"]]
    finite = jnp.isfinite(jnp.stack([*losses, *norms.values()])).all()
    after = jax.tree.map(lambda new, old: jnp.where(finite, new, old), updated, state)
    after = dataclasses.replace(
        after, step=state.step + 1, skipped=state.skipped + 1 - finite.astype(jnp.int32)
    )
    counts = {"skipped": after.skipped, "setbacks": after.setbacks}
    return after, metrics | norms | counts | {"rate": rate * config.optimiser.generator_rate}


def _gradients(
    state: TrainState,
    discriminators: tuple[Params, Params],
    batch: augment.Augmented,
    people: Data,
    weights: objective.Weights,
    key: jax.Array,
    perceptual_params: Params | None,
    config: Config,
) -> tuple[Params, Params, Metrics]:
    """Gradients of generator and discriminators, from one forward pass of the generator."""
    key_generator, key_discriminator = jax.random.split(key)

    def generate(params: Params) -> objective.Generated:
        return objective.generate(_without_frozen(params, config), batch, people, config)

    if config.execution.rematerialise:
        keep_stages = jax.checkpoint_policies.save_only_these_names(STAGE)
        generate = jax.checkpoint(generate, policy=keep_stages)

    # The pass is taken apart, `vjp` and then the loss, because the discriminators need its output
    # as well: with `value_and_grad` over both it would have to run twice.
    generated, generator_vjp = jax.vjp(generate, state.generator)
    (_, metrics), output_gradient = jax.value_and_grad(objective.generator_loss, has_aux=True)(
        generated, batch, discriminators, weights, key_generator, perceptual_params, config
    )
    (generator_gradient,) = generator_vjp(output_gradient)

    fake = jax.lax.stop_gradient(objective.discriminator_input(generated.own, batch, config))
    (_, discriminator_metrics), discriminator_gradient = jax.value_and_grad(
        objective.discriminator_loss, has_aux=True
    )(state.discriminator, state.power_vectors, fake, batch, weights, key_discriminator, config)
    return generator_gradient, discriminator_gradient, metrics | discriminator_metrics


def _mean_over_parts(
    function: Callable[[augment.Augmented, jax.Array], Any],
    batch: augment.Augmented,
    key: jax.Array,
    count: int,
) -> Any:
    """Mean of a function over `count` parts of a batch, computed one after the other."""
    if count == 1:
        return function(batch, key)

    def split(x: jax.Array) -> jax.Array:
        # Takes every `count`-th image, so that a part only holds images its device already has.
        return jnp.moveaxis(x.reshape(2, -1, count, *x.shape[2:]), 2, 0)

    parts = jax.tree.map(split, batch), jax.random.split(key, count)
    first = jax.tree.map(lambda x: x[0], parts)
    shapes = jax.eval_shape(function, *first)
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    # A loop over convolutions is 20 times slower on a CPU.
    unroll = count if jax.default_backend() == "cpu" else 1
    total, _ = jax.lax.scan(
        lambda total, part: (jax.tree.map(jnp.add, total, function(*part)), None),
        zeros,
        parts,
        unroll=unroll,
    )
    return jax.tree.map(lambda x: x / count, total)


def _without_frozen(params: Params, config: Config) -> Params:
    """The parameters, frozen parts without gradient: XLA then leaves out what computes it."""
    if not config.freeze:
        return params
    fixed = fixed_parts(params, config)
    return jax.tree.map(lambda f, p: jax.lax.stop_gradient(p) if f else p, fixed, params)


def _moving_average(params: Params, ema: Params, decay: jax.Array, config: Config) -> Params:
    """The updated moving average; frozen parts are copied bit for bit."""
    averaged = optax.incremental_update(params, ema, 1 - decay)
    fixed = fixed_parts(params, config)
    return jax.tree.map(lambda f, p, a: p if f else a, fixed, params, averaged)


def _with_decoders_swapped_once(state: TrainState, config: Config) -> TrainState:
    """Exchanges the decoders in the step that passes `config.swap_decoders_at`."""
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
    """Parameters and optimiser state after an update of the given rate."""
    # Optax raises Python floats to integer counts, which strict promotion forbids.
    with jax.numpy_dtype_promotion("standard"):
        updates, moments = optimiser.update(gradient, moments, params)
    return jax.tree.map(lambda p, u: p - rate * u, params, updates), moments
