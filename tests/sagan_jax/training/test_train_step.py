"""The compiled step: skipped updates, the exchange of decoders, and every option in use."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sagan_jax.configs import schedule
from sagan_jax.configs.config import Config, ExecutionConfig
from sagan_jax.configs.presets import PRESETS
from sagan_jax.devices import distributed
from sagan_jax.networks.generator import STAGE, Generator
from sagan_jax.training import train_state, train_step
from tests.support.tiny_run import CONFIG, PEOPLE, SMALLEST, state_after_updates

pytestmark = pytest.mark.usefixtures("compiled_quickly")


class _Run:
    """A tiny run on one device, whose states can be looked at after each step."""

    def __init__(self, config: Config):
        mesh = distributed.device_mesh(config.batch, jax.devices()[:1])
        self._here = distributed.replicated_sharding(mesh)
        self._step = train_step.make_step(config, mesh)
        create = jax.jit(lambda key: train_state.create(key, config), out_shardings=self._here)
        self._state = create(train_state.root_key(0))
        self.states = [jax.device_get(self._state)]

    def step(self, people=PEOPLE):
        """Metrics of one step."""
        people = jax.device_put(people, self._here)
        with jax.transfer_guard("disallow"):
            self._state, metrics = self._step(self._state, people)
        self.states.append(jax.device_get(self._state))
        return jax.device_get(metrics)


def _differ(a, b):
    return any(not np.array_equal(x, y) for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True))


def test_updates_that_are_not_finite_are_skipped_and_decoders_change_places_once():
    # At rate 0 only the exchange moves weights of the generator.
    optimiser = dataclasses.replace(CONFIG.optimiser, generator_rate=0.0)
    run = _Run(dataclasses.replace(CONFIG, swap_decoders_at=24, optimiser=optimiser))
    broken = (PEOPLE[0], PEOPLE[1]._replace(std=np.full(3, np.nan, np.float32)))
    skipped = [int(run.step(people)["skipped"]) for people in (PEOPLE, broken, PEOPLE, PEOPLE)]
    start, good, bad, swapped, after = run.states
    assert skipped == [0, 1, 1, 1] and [int(s.skipped) for s in run.states] == [0, 0, 1, 1, 1]
    assert [int(s.step) for s in run.states] == [0, 1, 2, 3, 4]
    for name in ("generator_moments", "discriminator_moments", "discriminator", "power_vectors"):
        assert name == "discriminator" or _differ(getattr(start, name), getattr(good, name))
        assert not _differ(getattr(good, name), getattr(bad, name)), name
    same = dataclasses.replace(bad, step=good.step, skipped=good.skipped)
    jax.tree.map(np.testing.assert_array_equal, good, same)
    assert _differ(bad.discriminator, swapped.discriminator)

    assert not _differ(bad.generator, start.generator)
    for there in (swapped, after):
        assert not _differ(there.generator["decoders_0"], start.generator["decoders_1"])
        assert not _differ(there.generator["decoders_1"], start.generator["decoders_0"])
        assert not _differ(there.generator["encoder"], start.generator["encoder"])


def test_decoders_change_places_with_their_averages_and_moments():
    before = jax.jit(lambda key: train_state.create(key, CONFIG))(train_state.root_key(0))
    before = dataclasses.replace(
        before,
        generator_moments=jax.tree.map(
            lambda x: jax.random.normal(jax.random.key(1), x.shape) if x.ndim else x,
            before.generator_moments,
        ),
    )
    after = train_state.swap_decoders(before)
    assert _differ(before.generator["decoders_0"], before.generator["decoders_1"])
    for old, new in (
        (before.generator, after.generator),
        (before.ema, after.ema),
        (before.generator_moments[1].mu, after.generator_moments[1].mu),
        (before.generator_moments[1].nu, after.generator_moments[1].nu),
    ):
        assert not _differ(old["decoders_0"], new["decoders_1"])
        assert not _differ(old["decoders_1"], new["decoders_0"])
        assert not _differ(old["encoder"], new["encoder"])
    jax.tree.map(np.testing.assert_array_equal, before, train_state.swap_decoders(after))


_ALL_TERMS = dataclasses.replace(
    CONFIG.loss,
    multiscale_structure=0.1,
    edges=0.1,
    eyes=0.2,
    mouth=0.3,
    perceptual=((0, 0.5), (96, 0.6)),
    mask_area=0.01,
    mask_hinge=0.1,
    adversarial=0.03,
    cycle=0.4,
    latent=0.5,
    gradient_penalty=0.7,
    discriminator_loss="relativistic",
    discriminator_augmentation=True,
)
_ALL_DEGRADATIONS = dataclasses.replace(
    CONFIG.augment,
    colour_match=0.5,
    hue=10.0,
    saturation=0.2,
    exposure=0.3,
    blur=0.5,
    occlusion=0.5,
    compression=0.5,
    noise=0.05,
)


def test_every_term_counts_with_its_weight():
    run = _Run(dataclasses.replace(CONFIG, loss=_ALL_TERMS, augment=_ALL_DEGRADATIONS))
    for seen in (0, 8):
        metrics = run.step()
        weights = schedule.loss_weights(_ALL_TERMS, np.float32(seen))
        terms = {name for name in weights if name in metrics} - {"gradient_penalty"}
        assert len(terms) == 14
        assert metrics["generator"] == pytest.approx(
            sum(float(weights[name]) * float(metrics[name]) for name in terms), rel=1e-4
        )
        assert all(np.isfinite(value) for value in metrics.values()) and metrics["skipped"] == 0
        assert metrics["gradient_penalty"] > 0


def test_faceswap_gan_trains():
    preset = PRESETS["faceswap_gan64"]()
    model = dataclasses.replace(
        preset.model,
        resolution=32,
        encoder_widths=(8, 8, 8, 16),
        decoder_widths=(8, 8),
        latent=16,
        shared_width=16,
        encoder_attention=(8,),
        decoder_attention=(16,),
        discriminator_widths=(8, 16),
    )
    optimiser = dataclasses.replace(preset.optimiser, generator_rate=2e-3)
    run = _Run(dataclasses.replace(preset, batch=4, model=model, optimiser=optimiser))
    history = [run.step() for _ in range(25)]
    assert history[-1]["reconstruction"] < 0.95 * history[1]["reconstruction"]
    assert {"mask_area", "mask_hinge", "edges", "eyes", "discriminator_on_mixtures"} <= history[
        -1
    ].keys()
    assert history[-1]["skipped"] == 0 and np.isfinite(history[-1]["discriminator"])


def test_a_step_in_parts_and_a_rematerialised_one_agree_with_the_plain():
    plain, metrics = state_after_updates(SMALLEST)
    for execution, near in (
        (ExecutionConfig(rematerialise=True), 1e-4),
        # Means over faces are by parts.
        (ExecutionConfig(accumulate=2), 0.02),
    ):
        other, seen = state_after_updates(dataclasses.replace(SMALLEST, execution=execution))
        assert int(other.step) == 4 and int(other.skipped) == 0
        apart = optax.tree.norm(optax.tree.sub(plain.generator, other.generator))
        assert float(apart) < near * float(optax.tree.norm(plain.generator))
        for name in ("generator", "discriminator", "gradient_norm"):
            assert seen[name] == pytest.approx(metrics[name], rel=10 * near), name


def test_rematerialisation_keeps_fewer_feature_maps():
    # Counts maps kept from the forward for the backward pass; XLA on a CPU undoes the saving.
    config = PRESETS["demo64"]().model
    generator, x = Generator(config), jax.ShapeDtypeStruct((2, 8, *config.input_shape), jnp.float32)
    params = jax.eval_shape(generator.init, jax.random.key(0), x)
    policy = jax.checkpoint_policies.save_only_these_names(STAGE)

    def kept(generate):
        backward = jax.eval_shape(lambda params, x: jax.vjp(generate, params, x)[1], params, x)
        return sum(leaf.size for leaf in jax.tree.leaves(backward))

    assert kept(jax.checkpoint(generator.apply, policy=policy)) < 0.5 * kept(generator.apply)
