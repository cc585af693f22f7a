"""Settings: changed from the command line, stretched, refused."""

import pytest

from data_prep.errors import InputError
from sagan_jax.configs import config as config_lib
from sagan_jax.configs import overrides
from sagan_jax.configs.config import Config, LossConfig, ModelConfig, OptimiserConfig


def test_single_fields_are_set_by_name():
    config = overrides.overridden(Config(), [
        "loss.edges=0.1", "loss.critic=mixup", "loss.perceptual=[[0, 0], [8000, 0.2]]",
        "model.encoder_widths=[8, 8, 8, 16]", "swap_decoders_at=100", "augment.continue_face=false",
    ])  # fmt: skip
    assert config.loss.edges == 0.1 and config.loss.critic == "mixup"
    assert config.loss.perceptual == ((0, 0), (8000, 0.2))
    assert config.model.encoder_widths == (8, 8, 8, 16) and config.swap_decoders_at == 100
    assert not config.augment.continue_face
    assert overrides.overridden(Config(), []) == Config()


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("loss.nothing=1", "there is no 'loss.nothing'; known: reconstruction, "),
        ("nothing.edges=1", "there is no 'nothing.edges'; known: preset, "),
        ("loss=1", "there is no 'loss'"),
        ("loss.critic=wasserstein", "'hinge', 'mixup', 'relativistic'"),
        ("batch=1.5", "batch=1.5 is not a value of its kind: int"),
        ("loss.edges=[[1], [2]]", "edges="),
        ("loss.edges=much", "edges='much'"),
        ("augment.continue_face=1", "continue_face=1"),
    ],
)
def test_what_cannot_be_set_is_said(assignment, message):
    with pytest.raises(InputError, match=message.replace("[", r"\[")):
        overrides.overridden(Config(), [assignment])


@pytest.mark.parametrize(
    "changes",
    [
        {"resolution": 128, "decoder_widths": (8, 8, 8, 8)},
        {"resolution": 100},
        {"architecture": "ancestor", "encoder_widths": (8, 8, 8, 8, 8)},
    ],
)
def test_networks_that_do_not_fit_together_are_refused(changes):
    with pytest.raises(InputError, match="do not fit together at"):
        ModelConfig(**changes)


def test_a_longer_run_stretches_its_tables():
    config = Config(
        images=1000,
        swap_decoders_at=800,
        loss=LossConfig(adversarial=((200, 0.0), (300, 0.03)), edges=0.5),
        optimiser=OptimiserConfig(rate=((0, 1.0), (900, 0.1)), warmup=50),
    )
    longer = config_lib.lengthened(config, 3000)
    assert longer.images == 3000 and longer.swap_decoders_at == 2400
    assert longer.loss.adversarial == ((600, 0.0), (900, 0.03)) and longer.loss.edges == 0.5
    assert longer.optimiser.rate == ((0, 1.0), (2700, 0.1)) and longer.optimiser.warmup == 50
    assert config_lib.lengthened(config, 1000) == config
