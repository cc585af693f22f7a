"""Tests that a person is removed with everything made of the person, and nobody else is."""

import dataclasses
import json

import numpy as np
import pytest

from data_prep.dataset import identity_card
from data_prep.errors import InputError
from sagan_jax.checkpoints import checkpoint
from sagan_jax.provenance import forget
from tests.support.facts import checkpoint_facts, identity_facts


def _data_set(folder, identity):
    folder.mkdir(parents=True)
    card = identity_card.IdentityCard(identity, "agreed", (), {}, (), "00" * 32)
    (folder / "card.json").write_text(json.dumps(dataclasses.asdict(card)))
    (folder / "face_identity-train.tfrecord-00000").write_bytes(b"crops")
    return folder


def _model(folder, *identities):
    with checkpoint.Checkpoints(folder, create=True) as checkpoints:
        weights = {"w": np.zeros(3, np.float32)}
        facts = checkpoint_facts(*map(identity_facts, identities))
        checkpoints.save(1, weights, weights, facts)
        checkpoints.wait()
    return folder


@pytest.fixture
def root(tmp_path):
    _data_set(tmp_path / "data" / "ada", "Ada")
    _data_set(tmp_path / "data" / "bob", "Bob")
    _data_set(tmp_path / "data" / ".ada2.partial", "Ada")
    # A preparation that was killed leaves its parts, each a data set of one video.
    _data_set(tmp_path / "data" / ".ada3.parts", "Ada")
    _data_set(tmp_path / "data" / ".ada3.parts" / ("1" * 64), "Ada")
    _data_set(tmp_path / "data" / ".bob2.parts", "Bob")
    _data_set(tmp_path / "data" / ".bob2.parts" / f".{'2' * 64}.partial", "Bob")
    _model(tmp_path / "models" / "both", "Ada", "Bob")
    _model(tmp_path / "models" / "others", "Bob", "Cleo")
    (tmp_path / "film.json").write_text(json.dumps({"identities": [{"identity": "Ada"}]}))
    (tmp_path / "notes.json").write_text("[1, 2")
    return tmp_path


def test_everything_of_a_person_is_found_and_removed(root):
    traces = forget.find(root, "Ada")
    assert {path.name for path in traces.data_sets} == {"ada", ".ada2.partial", ".ada3.parts"}
    assert [path.name for path in traces.models] == ["both"]
    assert [path.name for path in traces.rendered] == ["film.json"]
    forget.remove(traces)
    left = forget.find(root, "Ada")
    assert not left.data_sets and not left.models and left.rendered
    assert not (root / "data" / ".ada3.parts").exists()
    assert (root / "data" / ".bob2.parts").is_dir()
    assert (root / "data" / "bob").is_dir() and (root / "models" / "others").is_dir()


def test_a_folder_that_cannot_be_read_is_named(root):
    (root / "data" / "bob" / "card.json").write_text("{")
    assert [path.name for path in forget.find(root, "Bob").unreadable] == ["bob"]


def test_links_are_not_followed(root, tmp_path_factory):
    elsewhere = _data_set(tmp_path_factory.mktemp("elsewhere") / "ada", "Ada")
    (root / "link").symlink_to(elsewhere.parent)
    forget.remove(forget.find(root, "Ada"))
    assert elsewhere.is_dir()


def test_an_absent_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        forget.find(tmp_path / "absent", "Ada")
