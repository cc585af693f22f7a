"""Configs: single fields changed, runs lengthened, wrong values refused."""

import dataclasses
import json
import re

import pytest

from data_prep.errors import InputError
from sagan_jax.configs import overrides
from sagan_jax.configs.config import AugmentConfig, LossConfig, lengthened
from sagan_jax.configs.presets import PRESETS, demo64


def test_single_fields_are_set_by_name():
    assignments = [
        "loss.edges=0.1",
        "loss.discriminator_loss=mixup",
        "loss.perceptual=[[0, 0], [8000, 0.2]]",
        "model.encoder_widths=[8, 8, 8, 16]",
        "swap_decoders_at=100",
        "augment.continue_face=false",
    ]
    config = overrides.overridden(demo64(), assignments)
    assert config.loss.edges == 0.1 and config.loss.discriminator_loss == "mixup"
    assert config.loss.perceptual == ((0, 0), (8000, 0.2))
    assert config.model.encoder_widths == (8, 8, 8, 16) and config.swap_decoders_at == 100
    assert not config.augment.continue_face
    assert overrides.overridden(demo64(), []) == demo64()


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("loss.nothing=1", "there is no 'loss.nothing'; known: reconstruction, "),
        ("nothing.edges=1", "there is no 'nothing.edges'; known: batch, images, model, "),
        ("loss=1", "there is no 'loss'; known: batch, images, model, "),
        (
            "loss.discriminator_loss=wasserstein",
            "config: loss.discriminator_loss: Invalid enum value 'wasserstein'",
        ),
        ("batch=1.5", "config: batch: Expected int, got float"),
        ("loss.edges=[[1], [2]]", "config: loss.edges[0]: Expected array of length 2, got 1"),
        ("loss.edges=much", "config: loss.edges: Expected float | array, got str"),
        ("augment.continue_face=1", "config: augment.continue_face: Expected bool, got int"),
    ],
)
def test_unknown_fields_and_wrong_values_are_named(assignment, message):
    with pytest.raises(InputError, match=re.escape(message)):
        overrides.overridden(demo64(), [assignment])


@pytest.mark.parametrize(
    "changes",
    [
        {"resolution": 128, "decoder_widths": (8, 8, 8, 8)},
        {"resolution": 100},
        {"architecture": "faceswap_gan", "encoder_widths": (8, 8, 8, 8, 8)},
    ],
)
def test_networks_that_do_not_fit_together_are_refused(changes):
    with pytest.raises(InputError, match="do not fit together at"):
        dataclasses.replace(demo64().model, **changes)


def test_a_longer_run_stretches_its_tables():
    demo = demo64()
    config = dataclasses.replace(
        demo,
        images=1000,
        swap_decoders_at=800,
        loss=dataclasses.replace(demo.loss, adversarial=((200, 0.0), (300, 0.03)), edges=0.5),
        optimiser=dataclasses.replace(demo.optimiser, rate=((0, 1.0), (900, 0.1)), warmup=50),
    )
    longer = lengthened(config, 3000)
    assert longer.images == 3000 and longer.swap_decoders_at == 2400
    assert longer.loss.adversarial == ((600, 0.0), (900, 0.03)) and longer.loss.edges == 0.5
    assert longer.optimiser.rate == ((0, 1.0), (2700, 0.1)) and longer.optimiser.warmup == 50
    assert lengthened(config, 1000) == config


def test_defaults_switch_every_term_and_every_augmentation_off():
    weights = dataclasses.asdict(LossConfig())
    in_use = {name for name, value in weights.items() if value and not isinstance(value, str)}
    # The plain mean absolute difference, every pixel alike.
    assert in_use == {"reconstruction", "background_weight"}
    ranges = dataclasses.asdict(AugmentConfig())
    # These two only matter where their probabilities are not 0.
    assert {name for name, value in ranges.items() if value} == {
        "blur_length",
        "compression_quality",
    }


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_json(name):
    preset = PRESETS[name]()
    assert preset.preset == name
    assert overrides.from_dict(json.loads(overrides.to_json(preset))) == preset
