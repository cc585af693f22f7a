"""Checkpoints: which ones stay, and how one is found."""

import types

import numpy as np
import pytest

from data_prep.errors import InputError
from sagan_jax.checkpoints.checkpoint import Checkpoints
from sagan_jax.checkpoints.keep import Keep
from tests.support.facts import checkpoint_facts, identity_facts

_FACTS = checkpoint_facts(identity_facts("Ada"), identity_facts("Bob"))


def _save(checkpoints, qualities, facts=_FACTS):
    for step, quality in qualities.items():
        arrays = {"w": np.full(3, step, np.float32)}
        checkpoints.save(step, arrays, arrays, facts, quality)
        checkpoints.wait()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    with Checkpoints(folder, create=True, keep=Keep(latest=2, every=4)) as checkpoints:
        _save(checkpoints, {1: 0.1, 2: 0.9, 3: 0.3, 4: 0.2, 5: 0.4, 6: 0.5, 7: None})
    return folder


def test_the_newest_the_best_and_snapshots_stay(kept):
    steps = sorted(int(path.name) for path in (kept / "checkpoints").iterdir())
    assert steps == [2, 4, 6, 7]


def test_a_checkpoint_is_found_by_name_or_number(kept):
    with Checkpoints(kept) as checkpoints:
        assert (checkpoints.latest, checkpoints.best) == (7, 2)
        named = {name: checkpoints.find(name) for name in ("latest", "best", "4")}
        assert named == {"latest": 7, "best": 2, "4": 4}
        abstract = {"w": np.zeros(3, np.float32)}
        restored = checkpoints.restore("best", ema=abstract)["ema"]
        np.testing.assert_array_equal(restored["w"], 2)
        with pytest.raises(InputError, match=r"no checkpoint '5'; give latest, best or one of 2"):
            checkpoints.find("5")


def test_without_quality_no_checkpoint_is_best(tmp_path):
    with Checkpoints(tmp_path, create=True) as checkpoints:
        _save(checkpoints, {1: None})
        assert checkpoints.find("latest") == 1
        with pytest.raises(InputError, match="no checkpoint 'best'"):
            checkpoints.find("best")


def test_an_earlier_schema_is_rendered_with_and_not_continued(tmp_path):
    values = _FACTS.to_json() | {"schema_version": "1.3.0"}
    # The networks of 1.3.0 saw all columns of a crop and were guided by no sketch.
    del values["config"]["model"]["columns"]
    for one in values["identities"]:
        del one["places"]
    with Checkpoints(tmp_path, create=True) as checkpoints:
        _save(checkpoints, {1: None}, types.SimpleNamespace(to_json=lambda: values))
    with Checkpoints(tmp_path) as checkpoints:
        facts = checkpoints.facts()
        assert facts.config.model.columns == 1.0
        assert [one.places for one in facts.identities] == [None, None]
        with pytest.raises(InputError, match=r"reads 1\.7\.0; it can still be rendered with"):
            checkpoints.facts(to_continue=True)


def test_facts_are_read_as_they_were_saved(kept):
    with Checkpoints(kept) as checkpoints:
        assert checkpoints.facts() == checkpoints.facts(to_continue=True) == _FACTS


def test_a_folder_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(InputError, match="no checkpoint here"):
        Checkpoints(tmp_path)
