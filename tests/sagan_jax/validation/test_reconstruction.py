"""Held-out crops for both decoders, and the quality that selects the best checkpoint."""

import numpy as np
import pytest

from sagan_jax.data import identity_crops
from sagan_jax.inputs.identity_stats import IdentityStats
from sagan_jax.validation import reconstruction
from sagan_jax.validation.reconstruction import quality
from tests.support.tiny_run import MODEL, write_data_set

_USUAL = {"ssim": 0.9, "lpips": 0.02, "identity": 0.8, "expression": 3.0}
_BETTER = {"ssim": 0.91, "lpips": 0.018, "identity": 0.82, "expression": 2.7}


def _measured(**changed: float) -> dict[str, float]:
    return {f"holdout_{name}_{p}": v for p in "ab" for name, v in (_USUAL | changed).items()}


def test_sketch_for_the_other_decoder_lies_where_the_other_person_has_the_features(tmp_path):
    folders = write_data_set(tmp_path / "a", 0, 2), write_data_set(tmp_path / "b", 1, 2)
    a = identity_crops.identity_stats(identity_crops.read(folders[0], "train", MODEL.crop_window))
    # The networks see 192 columns as 32 pixels, so that 24 columns are 4 pixels.
    b = IdentityStats(a.mean, a.std, a.places + np.array([24, 0, 0], np.float32))
    own, crossed = reconstruction.load(folders, MODEL, (a, b))
    for one, other in zip(own, crossed, strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.masks[..., [0, 1, 3]], other.masks[..., [0, 1, 3]])
    retargeted_a, own_a = crossed[0].masks[..., 2], own[0].masks[..., 2]
    np.testing.assert_array_equal(retargeted_a[:, :, 4:], own_a[:, :, :-4])
    retargeted_b, own_b = crossed[1].masks[..., 2], own[1].masks[..., 2]
    np.testing.assert_array_equal(retargeted_b[:, :, :-4], own_b[:, :, 4:])
    assert retargeted_a.any() and retargeted_b.any()


@pytest.mark.parametrize("name", _USUAL)
def test_reduction_of_any_error_by_a_tenth_counts_alike(name):
    gain = quality(_measured(**{name: _BETTER[name]})) - quality(_measured())
    # The error is one of four.
    assert gain == pytest.approx(-np.log(0.9) / 4)


def test_swap_without_a_face_is_worse_than_any_with_one():
    poor = _measured(identity=0.1, expression=20.0)
    missing = {n: v for n, v in poor.items() if not n.startswith("holdout_expression")}
    missing = {n: v for n, v in missing.items() if not n.startswith("holdout_identity")}
    assert quality(missing) < quality(poor) < quality(_measured())


def test_swap_that_changes_nothing_is_worse_than_a_poor_one():
    nothing = _measured(identity=0.0, expression=0.0)
    assert quality(nothing) < quality(_measured(identity=0.6, expression=4.0))


def test_identity_transfer_beyond_that_of_two_images_of_one_person_is_not_rewarded():
    assert quality(_measured(identity=1.2)) == quality(_measured(identity=0.97))


def test_measurements_that_are_not_finite_have_no_quality():
    assert quality(_measured(lpips=np.nan)) is None
    assert quality(_measured(ssim=1.0, lpips=0.0)) > quality(_measured())
