"""A checkpoint that returns every crop unchanged: perfect reconstruction, and no swap at all."""

import dataclasses

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from data_prep.dataset import identity_card
from data_prep.errors import InputError
from sagan_jax.checkpoints.facts import CheckpointFacts, IdentityFacts
from sagan_jax.configs import presets
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.evaluation import evaluate_checkpoint, report
from tests.support import data_sets

_SIDE = 128


class _Copier:
    """Stands in for a `Swapper`; returns its input, for either person."""

    crop_window, fingerprint, step, places = CropWindow(_SIDE), "0" * 64, 7, None

    def __init__(self, folders, to):
        a, b = (IdentityFacts(identity_card.read_card(folder)) for folder in folders)
        config = presets.demo64()
        loss = dataclasses.replace(config.loss, perceptual_network="vgg16")
        self.facts = CheckpointFacts(dataclasses.replace(config, loss=loss), (a, b))

    def __call__(self, crops, masks, mean, std):
        rgb = np.stack([self.crop_window.of(crop) for crop in crops]).astype(np.float32) / 255
        return rgb, np.ones_like(rgb[..., :1])


@pytest.fixture(scope="module")
def folders(crops, tmp_path_factory):
    """Two data sets of the same man, from two parts of a video."""
    root = tmp_path_factory.mktemp("reconstruct")
    return tuple(
        data_sets.write(root / name, name, part[::6], part[3::6])
        for name, part in (("A", crops[:36]), ("B", crops[36:72]))
    )


@pytest.fixture(scope="module")
def found(folders):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate_checkpoint, "Swapper", lambda workdir, to: _Copier(folders, to))
        return evaluate_checkpoint.evaluate_checkpoint("model", folders)


def test_unchanged_crops_are_reconstructed_perfectly(found):
    evaluation, _ = found
    assert list(evaluation.parts) == ["A again", "A as B", "B again", "B as A"]
    for title in ("A again", "B again"):
        part = evaluation.parts[title]
        assert part.value("ssim") == pytest.approx(1) and part.value("psnr") is None
        assert part.value("lpips") == pytest.approx(0, abs=1e-6)
        assert part.value("sharpness") == pytest.approx(1)
    # The training used the other network.
    assert evaluation.subject["lpips_network"] == "alexnet"


def test_unchanged_crops_keep_expression_and_pose(found):
    part = found[0].parts["A as B"]
    assert part.counts == {"faces": 6, "measured": 6} and part.value("faces_kept") == 1
    # The output has half the size of the crop, so the errors are not exactly 0.
    assert part.value("expression_error") < 0.5 and part.value("pose_error") < 0.5
    assert part.value("similarity_target") > 0.9
    assert "seam" not in part.metrics and "jitter" not in part.metrics


def test_the_page_shows_every_part_and_labels_its_images(found, tmp_path):
    report.write_checkpoint(tmp_path / "page.html", *found)
    page = (tmp_path / "page.html").read_text()
    assert page.count("<img ") == 4 * 6 and "Every swapped face here is synthetic" in page
    blank = np.zeros((3 * _SIDE, _SIDE, 3), np.uint8)
    assert (report._labelled(blank) > 200).sum() > 100


def test_data_sets_other_than_those_of_the_training_are_refused(folders, monkeypatch):
    monkeypatch.setattr(evaluate_checkpoint, "Swapper", lambda workdir, to: _Copier(folders, to))
    with pytest.raises(InputError, match="is not the data set that model was trained on"):
        evaluate_checkpoint.evaluate_checkpoint("model", folders[::-1])


def test_known_errors_have_known_metrics():
    random = np.random.default_rng(0)
    real = random.integers(60, 190, (3, 64, 64, 3), np.uint8)
    mask = np.zeros((3, 64, 64), bool)
    mask[:, 16:48, 16:48] = True
    outside = np.where(mask[..., None], real, 0)
    ssim, errors = evaluate_checkpoint.reconstruction_errors(real, real + np.uint8(10), mask)
    assert errors == pytest.approx(100) and (ssim > 0.9).all() and (ssim < 1).all()
    ssim, errors = evaluate_checkpoint.reconstruction_errors(real, outside, mask)
    assert errors == pytest.approx(0) and ssim == pytest.approx(1)
    rough = np.clip(real + random.normal(0, 20, real.shape), 0, 255).astype(np.uint8)
    windows = [
        structural_similarity(a, b, channel_axis=-1)
        for a, b in zip(real[:, 16:48, 16:48], rough[:, 16:48, 16:48], strict=True)
    ]
    assert evaluate_checkpoint.reconstruction_errors(real, rough, mask)[0] == pytest.approx(windows)
    noise = random.integers(0, 256, real.shape, np.uint8)
    distances = [
        evaluate_checkpoint.perceptual_distances(real, generated, mask, "alexnet")
        for generated in (outside, real + np.uint8(10), noise)
    ]
    assert distances[0] == pytest.approx(0, abs=1e-6)
    assert (distances[0] < distances[1]).all() and (distances[1] < distances[2]).all()
