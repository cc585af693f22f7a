"""The compiled step: what it skips, what happens once, and every option in use."""

import dataclasses

import jax
import numpy as np
import pytest

from sagan_jax import data, distributed, schedule, state, step
from sagan_jax.config import AugmentConfig, Config, LossConfig, ModelConfig, OptimiserConfig
from sagan_jax.presets import PRESETS

_MODEL = ModelConfig(
    resolution=32, encoder_widths=(8, 8, 16, 16), latent=16, shared_width=16,
    decoder_widths=(16, 8), discriminator_widths=(8, 16),
)  # fmt: skip
_TINY = Config(batch=4, images=96, model=_MODEL)


def _identity(seed: int) -> data.Identity:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (20, 32, 32, 3), np.uint8)
    masks = np.zeros((20, 32, 32, 3), np.uint8)
    masks[:, 4:28, 4:28, 0] = masks[:, 10:14, 8:24, 1] = masks[:, 20:24, 10:22, 2] = 255
    return data.Identity(images, masks, *data.face_colour(images, masks[..., :1]))


_PEOPLE = (_identity(0), _identity(1))


class _Run:
    """A tiny run on one device, whose states can be looked at after each step."""

    def __init__(self, config: Config):
        mesh = distributed.device_mesh(config.batch, jax.devices()[:1])
        self._here = distributed.replicated(mesh)
        self._step = step.make_step(config, mesh)
        create = jax.jit(lambda key: state.create(key, config), out_shardings=self._here)
        self._state = create(jax.random.key(0))
        self.states = [jax.device_get(self._state)]

    def step(self, people=_PEOPLE):
        """Metrics of one step."""
        self._state, metrics = self._step(self._state, jax.device_put(people, self._here))
        self.states.append(jax.device_get(self._state))
        return jax.device_get(metrics)


def _differ(a, b):
    return any(not np.array_equal(x, y) for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True))


def test_what_is_not_finite_is_skipped_and_decoders_change_places_once():
    optimiser = OptimiserConfig(generator_rate=0.0)  # so that only the exchange moves weights
    run = _Run(dataclasses.replace(_TINY, swap_decoders_at=24, optimiser=optimiser))
    broken = (_PEOPLE[0], _PEOPLE[1]._replace(std=np.full(3, np.nan, np.float32)))
    skipped = [int(run.step(people)["skipped"]) for people in (_PEOPLE, broken, _PEOPLE, _PEOPLE)]
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
    before = jax.jit(lambda key: state.create(key, _TINY))(jax.random.key(0))
    before = dataclasses.replace(
        before,
        generator_moments=jax.tree.map(
            lambda x: jax.random.normal(jax.random.key(1), x.shape) if x.ndim else x,
            before.generator_moments,
        ),
    )
    after = state.swap_decoders(before)
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
    jax.tree.map(np.testing.assert_array_equal, before, state.swap_decoders(after))


_ALL_TERMS = LossConfig(
    multiscale_structure=0.1, edges=0.1, eyes=0.2, mouth=0.3, perceptual=((0, 0.5), (96, 0.6)),
    mask_area=0.01, mask_hinge=0.1, adversarial=0.03, cycle=0.4, latent=0.5, gradient_penalty=0.7,
    critic="relativistic", critic_augmentation=True,
)  # fmt: skip
_ALL_HARM = AugmentConfig(
    colour_match=0.5, hue=10.0, saturation=0.2, exposure=0.3, blur=0.5, occlusion=0.5,
    compression=0.5, noise=0.05,
)  # fmt: skip


def test_every_term_counts_with_its_weight():
    run = _Run(dataclasses.replace(_TINY, loss=_ALL_TERMS, augment=_ALL_HARM))
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


def test_the_ancestor_trains():
    preset = PRESETS["ancestor64"]()
    model = dataclasses.replace(
        preset.model, resolution=32, encoder_widths=(8, 8, 8, 16), decoder_widths=(8, 8),
        latent=16, shared_width=16, encoder_attention=(8,), decoder_attention=(16,),
        discriminator_widths=(8, 16),
    )  # fmt: skip
    optimiser = dataclasses.replace(preset.optimiser, generator_rate=2e-3)
    run = _Run(dataclasses.replace(preset, batch=4, model=model, optimiser=optimiser))
    history = [run.step() for _ in range(25)]
    assert history[-1]["reconstruction"] < 0.95 * history[1]["reconstruction"]
    assert {"mask_area", "mask_hinge", "edges", "eyes", "critic_on_mixtures"} <= history[-1].keys()
    assert history[-1]["skipped"] == 0 and np.isfinite(history[-1]["critic"])
