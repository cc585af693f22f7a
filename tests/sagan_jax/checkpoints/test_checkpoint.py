"""Which checkpoints stay, and which one is meant."""

import numpy as np
import pytest

from data_prep.errors import InputError
from sagan_jax.checkpoints import checkpoint
from sagan_jax.checkpoints.checkpoint import Checkpoints, Keep

_FACTS = {"config": {"model": {}}, "identities": [{}]}


def _save(checkpoints, qualities):
    for step, quality in qualities.items():
        arrays = {"w": np.full(3, step, np.float32)}
        checkpoints.save(step, arrays, arrays, _FACTS, quality)
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


def test_without_figures_none_is_best(tmp_path):
    with Checkpoints(tmp_path, create=True) as checkpoints:
        _save(checkpoints, {1: None})
        assert checkpoints.find("latest") == 1
        with pytest.raises(InputError, match="no checkpoint 'best'"):
            checkpoints.find("best")


def test_the_schema_before_is_rendered_with_and_not_continued(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SCHEMA_VERSION", "1.3.0")
    with Checkpoints(tmp_path, create=True) as checkpoints:
        _save(checkpoints, {1: None})
    monkeypatch.undo()
    with Checkpoints(tmp_path) as checkpoints:
        # Its networks saw all of a crop and drew after no sketch.
        assert checkpoints.facts()["config"]["model"] == {"columns": 1.0}
        assert checkpoints.facts()["identities"] == [{"places": None}]
        with pytest.raises(InputError, match=r"reads 1\.6\.0; it can still be rendered with"):
            checkpoints.facts(to_continue=True)


def test_no_checkpoint_is_said(tmp_path):
    with pytest.raises(InputError, match="no checkpoint here"):
        Checkpoints(tmp_path)
