"""Data set, run and export of earlier versions: still read, and rendered with the same result.

The last version that wrote checkpoints of schema 1.5.0 made them from seconds of the sample clip
`franck.webm`, with tiny networks, and rendered the expected outputs.
"""

import dataclasses
import pathlib
import shutil

import numpy as np
import pytest

from data_prep.dataset import identity_card, reader
from data_prep.errors import InputError
from sagan_jax.checkpoints import exported_model, stats_log
from sagan_jax.configs.warm_start import Start
from sagan_jax.rendering.swapper import Swapper
from sagan_jax.training import initialise, train
from tests.support import ROOT
from tests.support.tiny_run import write_data_set

_DATA = ROOT / "tests" / "data"
_DATA_SET = _DATA / "schema_1_1_0_data_set"
_EXPORT = _DATA / "schema_1_5_0_export"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A copy of the run, so that nothing can be written into the original."""
    folder = tmp_path_factory.mktemp("earlier") / "run"
    return pathlib.Path(shutil.copytree(_DATA / "schema_1_5_0_run", folder))


def _footage():
    """Two crops of noise with the guides of a face, and mean and deviation of its colour."""
    crops = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    guides = np.zeros((2, 32, 32, 3), np.uint8)
    guides[:, 4:28, 8:24, 0] = 255
    guides[:, 10:13, 10:22, 1] = 255
    guides[:, 20, 12:20, 2] = 255
    return crops, guides, np.full((2, 3), 0.5, np.float32), np.full((2, 3), 0.2, np.float32)


def test_the_data_set_is_read():
    card = identity_card.read_card(_DATA_SET)
    assert (card.identity, card.consent) == ("A", "Sample footage")
    assert [video.name for video in card.videos] == ["franck.webm"]
    assert [(track.first_us, track.last_us) for track in card.videos[0].tracks] == [(0, 2_880_000)]
    assert card.verdict is not None and len(card.models) > 3 and card.mask_source == "mesh"
    assert reader.verify(_DATA_SET) == {}
    for split, timestamp_us in (("train", 0), ("holdout", 2_880_000)):
        (example,) = reader.read(_DATA_SET, split)
        assert card.count(split) == 1 and example["timestamp_us"] == timestamp_us
        assert example["image"].shape == (256, 256, 3) and example["landmarks"].shape == (478, 2)
        assert {name: mask.max() for name, mask in example["masks"].items()} == dict.fromkeys(
            identity_card.MASKS, 255
        )


def test_run_and_export_state_the_same(run):
    facts = exported_model.facts(run)
    assert facts == exported_model.facts(_EXPORT)
    assert facts.names == ("A", "B") and facts.inherited == ()
    assert facts.identities[0].card == identity_card.read_card(_DATA_SET)
    assert all(np.shape(one.places) == (3, 3) for one in facts.identities)
    loss, model = facts.config.loss, facts.config.model
    assert (model.resolution, model.columns, model.sees) == (32, 0.75, "face_and_sketch")
    assert (loss.reconstruction, loss.eyes_weight, loss.background_weight) == (5.0, 2.0, 0.15)
    assert (loss.discriminator_loss, loss.discriminator_input) == ("hinge", "face")
    assert not loss.discriminator_augmentation and facts.config.augment.continue_face
    assert facts.config.optimiser.discriminator_betas == (0.0, 0.99)


def test_metrics_of_the_run_have_todays_names(run):
    trained, held_out = stats_log.read(run)[-2:]
    assert trained["discriminator_doubt"] == pytest.approx(0.9968, abs=1e-4)
    assert not any("critic" in name for name in trained)
    assert stats_log.held_out(run, 16) == {n: v for n, v in held_out.items() if n != "images"}


@pytest.mark.parametrize("to", [0, 1])
def test_run_and_export_render_as_the_version_that_made_them(run, to):
    of_run, of_export = Swapper(run, to), Swapper(_EXPORT, to)
    assert of_run.step == of_export.step == 4
    assert of_run.fingerprint == of_export.fingerprint
    outputs = of_run(*_footage())
    for output, same in zip(outputs, of_export(*_footage()), strict=True):
        np.testing.assert_array_equal(output, same)
    with np.load(_DATA / "schema_1_5_0_output.npz") as expected:
        for name, output in zip(("rgb", "mask"), outputs, strict=True):
            np.testing.assert_allclose(output, expected[f"{name}_{'ab'[to]}"], rtol=0, atol=1e-5)


def test_the_run_is_not_continued(run, tmp_path):
    config = dataclasses.replace(exported_model.facts(run).config, batch=4)
    folders = write_data_set(tmp_path / "a", 0, 20), write_data_set(tmp_path / "b", 1, 20)
    refusal = r"checkpoint of schema 1\.5\.0, .* can still be rendered with; train again"
    before = (run / "stats.jsonl").read_bytes(), (run / "config.json").read_bytes()
    with pytest.raises(InputError, match=refusal):
        train.train(config, folders, run)
    assert before == ((run / "stats.jsonl").read_bytes(), (run / "config.json").read_bytes())
    with pytest.raises(InputError, match=refusal):
        initialise.ancestry(Start(run))
