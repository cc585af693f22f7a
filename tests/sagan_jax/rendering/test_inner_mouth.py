"""The inner mouth on images whose pixels encode their own position."""

import cv2
import numpy as np
import pytest

from data_prep.mesh.topology import INNER_LIPS
from data_prep.records import CROP_SIZE, AlignedFace
from sagan_jax.inputs.retargeting import UsualPlaces
from sagan_jax.rendering import inner_mouth

_CENTRE, _RADII = np.array([120.0, 170.0]), np.array([30.0, 14.0])
_EYES = [[90.0, 100.0, 30.0], [165.0, 100.0, 30.0]]
# The rendered mouth is narrower, and elsewhere.
_USUAL = UsualPlaces(np.array([*_EYES, [118, 172, 60]]), np.array([*_EYES, [128, 180, 48]]))


def _face(radii):
    """Face whose red channel is the column of each pixel, and whose green channel is the row."""
    image = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)
    image[..., 0], image[..., 1] = np.meshgrid(np.arange(CROP_SIZE), np.arange(CROP_SIZE))
    landmarks = np.zeros((478, 2), np.float32)
    angles = np.linspace(0, 2 * np.pi, len(INNER_LIPS), endpoint=False)
    landmarks[list(INNER_LIPS)] = _CENTRE + radii * np.stack([np.cos(angles), np.sin(angles)], -1)
    unused = dict.fromkeys(set(AlignedFace.__annotations__) - {"image", "landmarks"})
    return AlignedFace(image=image, landmarks=landmarks, **unused)


@pytest.mark.parametrize("size", [256, 512])
def test_target_is_visible_between_the_generated_lips_and_nowhere_else(size):
    generated = np.full((size, size, 3), 0.5, np.float32)
    mixed = inner_mouth.with_target_mouth(generated, _face(_RADII), _USUAL)
    assert mixed.dtype == np.float32
    # Positions in pixels of 256, whose centres lie at halves.
    rows, columns = (np.mgrid[:size, :size] + 0.5) * CROP_SIZE / size - 0.5
    x, y = (columns - 128) * 60 / 48 + 118, (rows - 180) * 60 / 48 + 172
    away = np.hypot(*((np.stack([x, y], -1) - _CENTRE) / _RADII).transpose(2, 0, 1))
    inside, outside = away < 0.6, away > 1.7
    assert inside.sum() > 300
    np.testing.assert_allclose(255 * mixed[inside][:, 0], x[inside], atol=1)
    np.testing.assert_allclose(255 * mixed[inside][:, 1], y[inside], atol=1)
    np.testing.assert_array_equal(mixed[outside], 0.5)
    assert (generated == 0.5).all()


def test_opening_mouth_appears_gradually():
    generated = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.float32)

    def opacity(opening):
        face = _face([30.0, opening])
        face.image[:] = 255
        return inner_mouth.with_target_mouth(generated, face, _USUAL)[..., 0]

    most = np.array([opacity(opening).max() for opening in np.linspace(0, 6, 61)])
    assert most[0] < 0.2
    assert most[-1] > 0.95
    assert np.diff(most).min() > -0.02
    assert np.diff(most).max() < 0.1


def test_lips_at_the_edge_of_the_crop_are_cut_off():
    generated = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.float32)
    far = UsualPlaces(_USUAL.replaced, np.array([*_EYES, [250, 250, 48]]))
    mixed = inner_mouth.with_target_mouth(generated, _face(_RADII), far)
    box = cv2.boundingRect((mixed.max(-1) > 0.1).astype(np.uint8))
    assert box[0] > 220
    assert box[1] > 220
