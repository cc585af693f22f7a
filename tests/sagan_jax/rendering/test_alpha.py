"""Opacity of a face on masks whose answer is known."""

import numpy as np
import pytest

from data_prep.mesh import crop_alignment
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.rendering.alpha import face_alpha
from sagan_jax.rendering.render_settings import Edge

_WINDOW = CropWindow(64)
_EVERYWHERE = np.ones((64, 64, 1), np.float32)
_FACE_HEIGHT = crop_alignment.FACE_HEIGHT * 256


@pytest.mark.parametrize("grow", [-0.1, 0.1])
def test_edge_moves_by_a_share_of_the_face_height(disc, grow):
    visible = [face_alpha(disc, _EVERYWHERE, _WINDOW, Edge(g)) > 0.5 for g in (0.0, grow)]
    radii = [np.sqrt(region.sum() / np.pi) for region in visible]
    assert radii[1] - radii[0] == pytest.approx(grow * _FACE_HEIGHT, abs=1)


def test_feather_is_the_deviation_of_the_blur(disc):
    feathers = 0.01, 0.03
    rows = [
        face_alpha(disc, _EVERYWHERE, _WINDOW, Edge(feather=feather))[128, :128]
        for feather in feathers
    ]
    # Between 16 and 84 % lie two standard deviations of a blurred step.
    widths = [np.interp([0.1587, 0.8413], row, np.arange(128)) for row in rows]
    for width, feather in zip(widths, feathers, strict=True):
        assert np.ptp(width) == pytest.approx(2 * feather * _FACE_HEIGHT, rel=0.15)


def test_alpha_is_the_product_of_both_masks_and_ends_before_the_border():
    whole = np.full((256, 256, 1), 255, np.uint8)
    alpha = face_alpha(whole, 0.5 * _EVERYWHERE, _WINDOW)
    assert alpha[128, 128] == pytest.approx(0.5, abs=1e-3)
    assert not face_alpha(whole, np.full((64, 64, 1), 0.29, np.float32), _WINDOW).any()
    assert not alpha[0].any() and not alpha[:, -1].any()


def test_generated_face_fades_out_where_the_target_face_extends_further(disc):
    """The generated face is the lower half of a disc, the target's is all of it."""
    learned = np.zeros((64, 64, 1), np.float32)
    learned[32:] = 1
    faded, plain = (
        face_alpha(disc, learned, _WINDOW, Edge(dissolve=share)) for share in (0.08, 0.0)
    )
    width = 0.08 * _FACE_HEIGHT
    down = faded[128:, 128]
    assert plain[130, 128] > 0.99 and down[0] < 0.1
    # A smooth step: half at half the width, all of it at the end.
    assert np.interp(0.5, down[:20], np.arange(20)) == pytest.approx(width / 2, abs=2)
    assert down[int(np.ceil(width)) + 1] == pytest.approx(1, abs=0.01)
    # Both faces end at the bottom of the disc, where the edge is as without dissolving.
    np.testing.assert_allclose(faded[170:], plain[170:], atol=0.01)


def test_generated_face_that_covers_the_target_face_does_not_fade(disc):
    with_hole = _EVERYWHERE.copy()
    with_hole[30:34, 30:34] = 0
    for learned in (_EVERYWHERE, with_hole):
        faded, plain = (
            face_alpha(disc, learned, _WINDOW, Edge(dissolve=share)) for share in (0.08, 0.0)
        )
        np.testing.assert_allclose(faded, plain, atol=0.01)


@pytest.mark.parametrize("side", [2, 4, 8, 16, 32])
def test_hole_in_the_target_face_does_not_fade_its_surroundings(disc, side):
    """A glint on glasses or a strand of hair: the target's face does not extend further there."""
    disc[100 : 100 + side, 140 : 140 + side] = 0
    faded, plain = (
        face_alpha(disc, _EVERYWHERE, _WINDOW, Edge(dissolve=share)) for share in (0.08, 0.0)
    )
    np.testing.assert_allclose(faded, plain, atol=0.01)
