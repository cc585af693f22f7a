"""Which of several checkpoints is the best."""

import numpy as np
import pytest

from sagan_jax.holdout import quality

_USUAL = {"ssim": 0.9, "lpips": 0.02, "identity": 0.8, "expression": 3.0}
_BETTER = {"ssim": 0.91, "lpips": 0.018, "identity": 0.82, "expression": 2.7}


def _measured(**changed: float) -> dict[str, float]:
    return {f"holdout_{name}_{p}": v for p in "ab" for name, v in (_USUAL | changed).items()}


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
