"""Tint of the outermost pixels of a generated face."""

import jax
import numpy as np
import pytest

from sagan_jax.rendering import edge_chroma

_SKIN = np.array([0.8, 0.6, 0.5], np.float32)
_LUMA = np.array([0.299, 0.587, 0.114])
# A tint that leaves the brightness unchanged.
_BLUER = np.array([-0.03, -0.03, 0.03 * (1 - _LUMA[2]) / _LUMA[2]], np.float32)


def _disc(side, radius):
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    return np.hypot(rows, columns) < radius


@pytest.mark.parametrize("side", [64, 128])
def test_tinted_edge_takes_the_tint_of_the_face_and_keeps_its_brightness(side):
    face, inner = _disc(side, 0.4 * side), _disc(side, 0.4 * side - side / 32)
    shading = np.linspace(0.7, 1, side, dtype=np.float32)[:, None, None]
    skin = shading * _SKIN * np.ones((side, side, 1), np.float32)
    tinted = np.where((face & ~inner)[..., None], skin + _BLUER, skin)
    generated = np.where(face[..., None], tinted, np.float32([0.1, 0.2, 0.9]))
    np.testing.assert_allclose(tinted @ _LUMA, skin @ _LUMA, atol=1e-5)
    mask = face[None, ..., None].astype(np.float32)
    (out,) = jax.jit(edge_chroma.tint_edge_from_inside)(generated[None], mask)
    assert np.abs(generated - skin)[face].max() > 0.1
    np.testing.assert_allclose(np.asarray(out)[face], skin[face], atol=0.02)
    deep = _disc(side, 0.4 * side - side / 32 - 2)
    np.testing.assert_allclose(np.asarray(out)[deep], generated[deep], atol=1e-6)
    np.testing.assert_allclose(np.asarray(out) @ _LUMA, generated @ _LUMA, atol=2e-3)


@pytest.mark.parametrize("confidence", [1.0, 0.4])
def test_mask_without_an_edge_changes_nothing(confidence):
    generated = np.random.default_rng(0).random((2, 64, 64, 3), np.float32)
    out = edge_chroma.tint_edge_from_inside(
        generated, np.full((2, 64, 64, 1), confidence, np.float32)
    )
    np.testing.assert_allclose(out, generated, atol=1e-6)
