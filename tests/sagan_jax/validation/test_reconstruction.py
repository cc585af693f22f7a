"""What is held out, and which of several checkpoints is the best there."""

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


def test_the_other_decoder_draws_after_a_sketch_that_is_where_the_other_person_is(tmp_path):
    folders = write_data_set(tmp_path / "a", 0, 2), write_data_set(tmp_path / "b", 1, 2)
    a = identity_crops.identity_stats(identity_crops.read(folders[0], "train", MODEL.crop_window))
    # Of 192 columns that are seen 32 pixels are made.
    b = IdentityStats(a.mean, a.std, a.places + np.array([24, 0, 0], np.float32))
    own, crossed = reconstruction.load(folders, MODEL, (a, b))
    for one, other in zip(own, crossed, strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.masks[..., [0, 1, 3]], other.masks[..., [0, 1, 3]])
    after_b, as_a = crossed[0].masks[..., 2], own[0].masks[..., 2]
    np.testing.assert_array_equal(after_b[:, :, 4:], as_a[:, :, :-4])
    after_a, as_b = crossed[1].masks[..., 2], own[1].masks[..., 2]
    np.testing.assert_array_equal(after_a[:, :, :-4], as_b[:, :, 4:])
    assert after_b.any() and after_a.any()


@pytest.mark.parametrize("name", _USUAL)
def test_a_tenth_less_of_any_error_counts_alike(name):
    gain = quality(_measured(**{name: _BETTER[name]})) - quality(_measured())
    # One of four errors.
    assert gain == pytest.approx(-np.log(0.9) / 4)


def test_a_swap_that_shows_no_face_is_worse_than_any_that_does():
    seen = _measured(identity=0.1, expression=20.0)
    unseen = {n: v for n, v in seen.items() if not n.startswith("holdout_expression")}
    unseen = {n: v for n, v in unseen.items() if not n.startswith("holdout_identity")}
    assert quality(unseen) < quality(seen) < quality(_measured())


def test_a_swap_that_changes_nothing_is_worse_than_a_poor_one():
    nothing = _measured(identity=0.0, expression=0.0)
    assert quality(nothing) < quality(_measured(identity=0.6, expression=4.0))


def test_likeness_beyond_that_of_pictures_of_one_person_is_not_rewarded():
    assert quality(_measured(identity=1.2)) == quality(_measured(identity=0.97))


def test_what_is_not_finite_has_no_quality():
    assert quality(_measured(lpips=np.nan)) is None
    assert quality(_measured(ssim=1.0, lpips=0.0)) > quality(_measured())
