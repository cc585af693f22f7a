"""Alignment of a synthetic face whose pose is known."""

import numpy as np
import pytest
from skimage.transform import SimilarityTransform

from data_prep.imaging import similarity
from data_prep.mesh import crop_alignment


def _similarity(scale: float = 1.7, angle: float = 0.4) -> np.ndarray:
    return SimilarityTransform(scale=scale, rotation=angle, translation=(12, -7)).params[:2]


@pytest.mark.parametrize("size", [64, 256])
def test_a_turned_and_shifted_face_becomes_upright_and_centred(size):
    """A mean face, laid into a frame by a known similarity, comes back to its place."""
    upright = np.zeros((478, 2))
    upright[crop_alignment.RIGID_LANDMARKS] = np.array(list(crop_alignment._MEAN_FACE.values()))
    in_frame = similarity.apply(_similarity(140.0, 0.6), upright)
    crop = similarity.apply(crop_alignment.face_transform(in_frame, size), in_frame)
    eyes, forehead = crop[[33, 263]], crop[10]
    middle = (size - 1) / 2
    assert eyes[0, 1] == pytest.approx(eyes[1, 1], abs=1e-6)
    assert eyes[:, 0].mean() == pytest.approx(middle, abs=1e-6)
    expected = [middle, crop_alignment._FOREHEAD * size - 0.5]
    np.testing.assert_allclose(forehead, expected, atol=1e-6)
