"""Masks against scikit-image's polygons and closed-form areas, on a face drawn by hand."""

import numpy as np
import pytest
import skimage

from data_prep import masks

_SIZE = 256
_SKIN, _DARK_HAIR = (200, 160, 140), (45, 30, 20)


def _ellipse(centre: tuple[float, float], radii: tuple[float, float], count: int) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.array(centre) + np.array(radii) * np.stack([np.sin(turn), -np.cos(turn)], -1)


@pytest.fixture
def mesh():
    """`[478, 2]`: an oval of a face with its eyes, mouth, brows and cheeks where they belong."""
    points = np.full((478, 2), 128.0)
    points[list(masks.FACE_OVAL)] = _ellipse((128, 130), (80, 100), len(masks.FACE_OVAL))
    points[list(masks.LIPS)] = _ellipse((128, 190), (28, 12), len(masks.LIPS))
    points[list(masks.LEFT_EYE)] = _ellipse((95, 105), (14, 6), len(masks.LEFT_EYE))
    points[list(masks.RIGHT_EYE)] = _ellipse((161, 105), (14, 6), len(masks.RIGHT_EYE))
    points[[70, 105, 107]] = [[75, 88], [93, 82], [115, 86]]
    points[[336, 334, 300]] = [[141, 86], [163, 82], [181, 88]]
    points[[50, 205, 425, 280, 197]] = [[80, 140], [95, 165], [161, 165], [176, 140], [128, 120]]
    points[168] = [128, 100]
    return points


@pytest.fixture
def skin():
    return np.full((_SIZE, _SIZE, 3), _SKIN, np.uint8)


def _agreement(mask: np.ndarray, polygon: np.ndarray) -> float:
    """Intersection over union with the polygon as scikit-image fills it."""
    ours = mask[..., 0] > 0
    theirs = skimage.draw.polygon2mask((_SIZE, _SIZE), polygon[:, ::-1])
    return (ours & theirs).sum() / (ours | theirs).sum()


def test_masks_are_binary_uint8(mesh, skin):
    for mask in masks.all_masks(mesh, skin).values():
        assert mask.shape == (_SIZE, _SIZE, 1) and mask.dtype == np.uint8
        assert set(np.unique(mask)) == {0, 255}


def test_the_face_is_the_oval_where_no_hair_falls(mesh, skin):
    face = masks.face_mask(mesh, skin)
    assert _agreement(face, mesh[list(masks.FACE_OVAL)]) > 0.98
    # The edge's own pixels count as inside.
    assert (face > 0).sum() == pytest.approx(np.pi * 80 * 100, rel=0.025)


def test_a_nose_that_stands_out_beyond_the_cheek_is_face(mesh, skin):
    mesh[4] = [230, 150]
    assert masks.face_mask(mesh, skin)[150, 225] == 255


def test_the_mouth_is_the_outer_edge_of_the_lips(mesh):
    assert _agreement(masks.mouth_mask(mesh, _SIZE), mesh[list(masks.LIPS)]) > 0.9


def test_eyes_are_widened_by_their_margin(mesh):
    eyes = masks.eyes_mask(mesh, _SIZE)
    margin = masks._EYE_MARGIN * _SIZE
    area = 2 * np.pi * (14 + margin) * (6 + margin)  # an ellipse widened is nearly an ellipse
    assert (eyes > 0).sum() == pytest.approx(area, rel=0.15)
    assert eyes[105, 95] == eyes[105, 161] == 255 and eyes[105, 128] == 0


def test_masks_follow_the_resolution(mesh, skin):
    # Half a pixel of edge counts less the finer the mask.
    small, large = masks.eyes_mask(mesh, _SIZE), masks.eyes_mask(2 * mesh, 2 * _SIZE)
    assert (small > 0).mean() == pytest.approx((large > 0).mean(), rel=0.15)


def test_a_fringe_is_cut_out_and_skin_in_shadow_is_not(mesh, skin):
    fringe, shadow = skin.copy(), skin.copy()
    fringe[30:60] = _DARK_HAIR
    shadow[30:60] = np.array(_SKIN) * 0.92
    assert masks.face_mask(mesh, fringe)[50, 128] == 0
    assert masks.face_mask(mesh, shadow)[50, 128] == 255


def test_dark_eyes_and_mouths_stay_in_the_face(mesh, skin):
    skin[98:112, 80:176] = _DARK_HAIR
    skin[180:200, 105:150] = _DARK_HAIR
    face = masks.face_mask(mesh, skin)
    assert face[105, 95] == face[105, 161] == face[190, 128] == 255


def test_a_face_half_out_of_the_picture(mesh, skin):
    face = masks.face_mask(mesh - [128, 0], skin)
    assert (face > 0).sum() == pytest.approx(np.pi * 80 * 100 / 2, rel=0.03)
    assert not masks.face_mask(mesh + 1000, skin).any()
