"""An exported model renders the same and states the same as its training folder."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from data_prep.errors import InputError
from sagan_jax.checkpoints import checkpoint, exported_model, stats_log
from sagan_jax.provenance import forget
from sagan_jax.rendering.exaggeration import exaggerate
from sagan_jax.rendering.swapper import Swapper
from sagan_jax.training import train_state
from tests.support.facts import checkpoint_facts, identity_facts
from tests.support.tiny_run import CONFIG

_LUMA = np.array([0.299, 0.587, 0.114])
_FACTS = dataclasses.replace(
    checkpoint_facts(identity_facts("Ada"), identity_facts("Bob")),
    config=CONFIG,
    inherited=(identity_facts("Eve"),),
)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "run"
    shapes = jax.eval_shape(lambda key: train_state.create(key, CONFIG), jax.random.key(0)).ema
    random = np.random.default_rng(0)
    with checkpoint.Checkpoints(folder, create=True) as checkpoints:
        for step, quality in ((1, 0.5), (2, 0.4), (3, 0.3), (4, 0.2)):
            ema = jax.tree.map(lambda x: 0.1 * random.standard_normal(x.shape, x.dtype), shapes)
            checkpoints.save(step, {"step": np.int32(step)}, ema, _FACTS, quality)
            checkpoints.wait()
            stats_log.append(folder, step * 8, {"holdout_ssim_a": quality})
    return folder


@pytest.fixture(scope="module")
def footage():
    """Crops whose side is no multiple of the output's, their guides, and their colours."""
    crops = np.random.default_rng(0).integers(0, 256, (3, 44, 44, 3), np.uint8)
    mean, std = np.full((3, 3), 0.5, np.float32), np.full((3, 3), 0.2, np.float32)
    return crops, np.full((3, 44, 44, 3), 255, np.uint8), mean, std


@pytest.fixture(scope="module")
def exported(workdir):
    out = workdir.parent / "out"
    exported_model.export(workdir, out, "best")
    return out


@pytest.mark.parametrize("exaggeration", [0.0, 0.2])
def test_it_renders_the_same(workdir, exported, footage, exaggeration):
    best, newest, ours = (
        Swapper(*args) for args in ((workdir, 1, "best"), (workdir, 1), (exported, 1))
    )
    assert (best.step, newest.step, ours.step) == (1, 4, 1)
    assert best.fingerprint == ours.fingerprint != newest.fingerprint
    for a, b in zip(*(swap(*footage, exaggeration) for swap in (best, ours)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_exaggerated_it_is_further_from_the_other_person(exported, footage):
    as_a, as_b = (Swapper(exported, to) for to in (0, 1))
    (a, mask), (b, _) = as_a(*footage), as_b(*footage)
    more, same_mask = as_a(*footage, 0.5)
    np.testing.assert_array_equal(same_mask, mask)
    coarse = exaggerate(a, b, 0.5)
    # The rim keeps its brightness and takes its tint from within.
    assert np.abs((more - coarse) @ _LUMA).max() < 0.01 < np.abs((more - a) @ _LUMA).max()


def test_its_card_names_people_consent_and_metrics(exported):
    assert {path.name for path in exported.iterdir()} == {
        "generator.safetensors",
        "facts.json",
        "MODEL_CARD.md",
        "model_card.json",
    }
    card = (exported / "MODEL_CARD.md").read_text()
    assert all(f"{name} agrees" in card for name in ("Ada", "Bob", "Eve"))
    assert "earlier model" in card and "holdout_ssim_a: 0.5000" in card
    assert exported_model.load(exported).facts == exported_model.facts(exported) == _FACTS


def test_everybody_a_model_learned_from_can_be_forgotten(workdir, exported):
    for name in ("Ada", "Eve"):
        assert set(forget.find(workdir.parent, name).models) == {workdir, exported}


def test_damage_and_other_steps_are_refused(workdir, exported, tmp_path):
    with pytest.raises(InputError, match="exists"):
        exported_model.export(workdir, exported)
    with pytest.raises(InputError, match="holds step 1 alone"):
        exported_model.load(exported, "4")
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in exported.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    weights = copy / exported_model.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match="SHA-256 differs"):
        exported_model.load(copy)


@pytest.mark.parametrize(
    "damage",
    [
        {"step": "four"},
        {"fingerprint": None},
        {"facts": []},
        {"facts": {"schema_version": "1.7.0"}},
    ],
)
def test_damaged_facts_of_an_export_are_one_input_error(exported, tmp_path, damage):
    values = json.loads((exported / "facts.json").read_text())
    (tmp_path / exported_model.WEIGHTS).write_bytes(b"")
    (tmp_path / "facts.json").write_text(json.dumps(values | damage))
    with pytest.raises(InputError, match="damaged") as raised:
        exported_model.facts(tmp_path)
    assert "\n" not in str(raised.value) and str(tmp_path) in str(raised.value)
