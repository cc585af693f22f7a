"""Facts of checkpoints: through JSON and back, from earlier schemas, and damaged."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest

from data_prep import weights
from data_prep.dataset import identity_card
from data_prep.errors import InputError
from sagan_jax.checkpoints import checkpoint, migrations, stats_log
from sagan_jax.checkpoints.facts import CheckpointFacts, IdentityFacts
from sagan_jax.configs import presets
from sagan_jax.inputs.identity_stats import IdentityStats
from tests.support import ROOT
from tests.support.facts import identity_facts

_CARD = identity_card.read_card(ROOT / "tests" / "data" / "schema_1_1_0_data_set")
_STATS = IdentityStats(
    mean=np.array([0.4, 0.3, 0.2], np.float32),
    std=np.array([0.1, 0.2, 0.3], np.float32),
    places=np.arange(9, dtype=np.float32).reshape(3, 3),
)


def _facts() -> CheckpointFacts:
    """Facts with something in every field."""
    return CheckpointFacts(
        config=presets.faceswap_gan64(),
        identities=(IdentityFacts.of(_CARD, _STATS), identity_facts("Bob")),
        models=(weights.DLIB_RESNET,),
        inherited=(identity_facts("Eve"),),
    )


def _values() -> dict:
    """The same as parsed JSON."""
    return json.loads(json.dumps(_facts().to_json()))


def _of_1_6_0() -> dict:
    """The same as version 1.6.0 wrote them, by its names."""
    values = _values() | {"schema_version": "1.6.0"}
    config = values["config"]
    config["preset"], config["model"]["architecture"] = "ancestor64", "ancestor"
    for old, new in (
        ("critic", "discriminator_loss"),
        ("judged", "discriminator_input"),
        ("critic_augmentation", "discriminator_augmentation"),
    ):
        config["loss"][old] = config["loss"].pop(new)
    return values


def _of_1_2_0() -> dict:
    """The same as version 1.2.0 wrote them, which knew fewer fields."""
    values = _of_1_6_0() | {"schema_version": "1.2.0"}
    del values["models"], values["inherited"]
    for name in ("freeze", "sampling", "execution"):
        del values["config"][name]
    del values["config"]["model"]["columns"]
    for one in values["identities"]:
        del one["places"]
        # Counts and verdicts that were not made yet were empty objects.
        one |= {name: {} for name in ("coverage", "verdict") if one[name] is None}
    return values


def test_facts_survive_json():
    facts = CheckpointFacts.from_json(_values())
    assert facts == _facts()
    assert facts.identities[0].card == _CARD
    for name in ("mean", "std", "places"):
        np.testing.assert_array_equal(
            getattr(facts.identities[0], name), getattr(_STATS, name), name
        )
    assert facts.schema_version == migrations.SCHEMA_VERSION


def test_all_people_and_each_model_once_are_behind_a_model():
    facts = _facts()
    assert facts.names == (_CARD.identity, "Bob")
    assert [one.identity for one in facts.learned_from] == [_CARD.identity, "Bob", "Eve"]
    twice = dataclasses.replace(facts, models=(*_CARD.models[:1], weights.DLIB_RESNET))
    for one in (facts, twice):
        digests = [model.sha256 for model in one.models_behind]
        assert len(digests) == len(set(digests))
        assert set(digests) == {m.sha256 for m in (*_CARD.models, weights.DLIB_RESNET)}


@pytest.mark.parametrize("version", ["1.2.0", "1.5.0", "1.6.0"])
def test_old_names_are_read_by_their_new_ones(version):
    values = (_of_1_2_0 if version == "1.2.0" else _of_1_6_0)() | {"schema_version": version}
    before = json.dumps(values)
    facts = checkpoint.read_facts(pathlib.Path("run"), values)
    assert json.dumps(values) == before, "the input has changed"
    assert facts.config.preset == "faceswap_gan64"
    assert facts.config.model == presets.faceswap_gan64().model
    assert facts.config.loss == presets.faceswap_gan64().loss
    assert facts.schema_version == migrations.SCHEMA_VERSION


def test_facts_of_1_6_0_are_those_of_today_and_can_be_continued():
    facts = checkpoint.read_facts(pathlib.Path("run"), _of_1_6_0(), to_continue=True)
    assert facts == _facts()


def test_facts_of_1_2_0_have_no_sketch_and_all_columns():
    facts = checkpoint.read_facts(pathlib.Path("run"), _of_1_2_0())
    assert facts.config.model.columns == 1.0
    assert [one.places for one in facts.identities] == [None, None]
    assert facts.identities[0].mean == _facts().identities[0].mean
    assert facts.identities[0].card == _CARD
    assert facts.models == facts.inherited == ()
    assert facts.config.execution == presets.faceswap_gan64().execution


@pytest.mark.parametrize("version", ["1.2.0", "1.3.0", "1.4.0", "1.5.0"])
def test_schemas_before_1_6_0_are_rendered_with_and_not_continued(version):
    values = _of_1_6_0() | {"schema_version": version}
    assert checkpoint.read_facts(pathlib.Path("run"), values).names == _facts().names
    with pytest.raises(InputError, match=rf"run: checkpoint of schema {version}, .* rendered with"):
        checkpoint.read_facts(pathlib.Path("run"), values, to_continue=True)


@pytest.mark.parametrize("version", ["1.1.0", "9.9.9", None])
def test_other_schemas_are_refused(version):
    with pytest.raises(InputError, match=rf"schema {version}, this version reads 1\.7\.0; train"):
        checkpoint.read_facts(pathlib.Path("run"), _values() | {"schema_version": version})


def test_metrics_of_earlier_versions_have_todays_names(tmp_path):
    stats_log.append(tmp_path, 8, {"critic": 1.0, "critic_doubt": 0.5, "generator": 2.0})
    line = {"images": 8, "discriminator": 1.0, "discriminator_doubt": 0.5, "generator": 2.0}
    assert stats_log.read(tmp_path) == [line]


def _without(name: str) -> dict:
    values = _values()
    del values[name]
    return values


@pytest.mark.parametrize(
    "values",
    [
        [],
        "facts",
        _without("config"),
        _without("identities"),
        _values() | {"config": []},
        _values() | {"config": {}},
        _values() | {"config": _values()["config"] | {"loss": [1]}},
        _values() | {"config": _values()["config"] | {"batch": "eight"}},
        _values() | {"config": _values()["config"] | {"model": {"resolution": 64}}},
        _values() | {"identities": _values()["identities"][:1]},
        _values() | {"identities": ["Ada", "Bob"]},
        _values() | {"identities": [{"identity": "Ada"}, {"identity": "Bob"}]},
        _values() | {"identities": [one | {"mean": "red"} for one in _values()["identities"]]},
        _values() | {"models": [{"package": "only"}]},
    ],
)
def test_damaged_facts_are_one_input_error(values):
    with pytest.raises(InputError, match=r"^run: damaged facts of a checkpoint \(.+\)$") as raised:
        checkpoint.read_facts(pathlib.Path("run"), values)
    assert "\n" not in str(raised.value)
