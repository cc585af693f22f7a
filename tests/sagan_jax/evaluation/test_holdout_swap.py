"""Swaps of held-out crops with known metrics, and swaps by an untrained generator."""

import dataclasses

import jax
import numpy as np
import pytest

from sagan_jax.data import identity_crops
from sagan_jax.evaluation import holdout_swap
from sagan_jax.evaluation.holdout_swap import FaceReadings, compare
from sagan_jax.training import train_state
from sagan_jax.validation.reconstruction import HeldOut
from tests.support import data_sets
from tests.support.tiny_run import CONFIG

_COUNT = 12
# The mesh needs this resolution to find a face.
_CONFIG = dataclasses.replace(CONFIG, model=dataclasses.replace(CONFIG.model, resolution=64))


def _read(seed: int, meshes=None) -> FaceReadings:
    """Readings of one person, who looks similar in every crop."""
    random = np.random.default_rng(seed)
    embeddings = random.normal(size=128) + 0.1 * random.normal(size=(_COUNT, 128))
    embeddings /= np.linalg.norm(embeddings, axis=-1, keepdims=True)
    if meshes is None:
        meshes = random.uniform(0, 64, (_COUNT, 478, 2))
    return FaceReadings(np.ones(_COUNT, bool), meshes, embeddings)


A, B = _read(0), _read(1)


def test_no_swap_has_no_identity_and_a_perfect_expression():
    values = compare(A, B, B)
    assert values["identity"] == pytest.approx(0, abs=1e-9)
    assert values["expression"] == pytest.approx(0, abs=1e-6)


def test_the_source_itself_has_full_identity():
    swapped = A._replace(meshes=B.meshes)
    assert compare(A, B, swapped)["identity"] == pytest.approx(1, abs=0.05)


def test_a_moved_mesh_is_measured_in_eye_distances():
    meshes = B.meshes.copy()
    # Neighbouring landmarks move in opposite directions, which no similarity transform undoes.
    meshes[:, :, 1] += np.where(np.arange(478) % 2, 1.0, -1.0)
    eyes = np.linalg.norm(B.meshes[:, 33] - B.meshes[:, 263], axis=-1)
    swapped = B._replace(meshes=meshes)
    assert compare(A, B, swapped)["expression"] == pytest.approx(np.mean(100 / eyes), rel=0.02)


def test_values_that_need_more_faces_are_left_out():
    nobody = B._replace(present=np.zeros(_COUNT, bool))
    assert compare(A, B, nobody) == {} and compare(A, nobody, B) == {}
    assert set(compare(nobody, B, B)) == {"expression"}


@pytest.fixture(scope="module")
def held_out(crops, tmp_path_factory):
    """The same man twice, from two parts of a video, at the resolution of the network."""
    root = tmp_path_factory.mktemp("holdout_swap")

    def identity(name, part):
        folder = data_sets.write(root / name, name, part[:1], part)
        return identity_crops.load(folder, "holdout", _CONFIG.model.crop_window)[0]

    people = identity("A", crops[:36:3]), identity("B", crops[36:72:3])
    return HeldOut(people, people)


def test_hidden_network_output_changes_nothing(held_out, monkeypatch):
    measure = holdout_swap.make_measure(_CONFIG.model, held_out)
    fresh = jax.jit(lambda key: train_state.create(key, _CONFIG))(train_state.root_key(0))
    visible = measure(fresh.ema)
    monkeypatch.setattr(holdout_swap.alpha, "composite", lambda crop, *_: crop)
    hidden = measure(fresh.ema)
    assert hidden["holdout_expression_a"] == pytest.approx(0, abs=1e-5)
    assert hidden["holdout_identity_b"] == pytest.approx(0, abs=1e-6)
    # Untrained, it outputs grey: there is no face any more, or one that moves differently.
    assert visible.get("holdout_expression_a", np.inf) > 1
