"""Features moved to another person's places, on faces whose answer is known."""

import numpy as np
import pytest

from data_prep.imaging import similarity
from data_prep.media import video_reader
from data_prep.mesh import crop_alignment, topology
from data_prep.mesh.expression import eye_opening, mouth_opening_in_face_heights
from data_prep.pipeline import faces
from sagan_jax.inputs import retargeting
from sagan_jax.inputs.retargeting import UsualPlaces

_OTHERS = sorted(
    set(range(478))
    - {*topology.LEFT_EYE, *topology.RIGHT_EYE, *topology.INNER_LIPS, *range(468, 478)}
)
_AHEAD = np.zeros(2)
_GOAL = np.array([[90.0, 100.0, 30.0], [165.0, 102.0, 33.0], [128.0, 180.0, 60.0]])


@pytest.fixture
def face():
    points = np.random.default_rng(0).uniform(40, 216, (478, 2))
    points[[33, 133]] = [[80, 96], [112, 96]]
    points[[362, 263]] = [[144, 90], [170, 110]]
    points[[78, 308]] = [[100, 170], [150, 170]]
    return points


def _retargeted(face):
    return retargeting.retarget(face, UsualPlaces(retargeting.measure_places(face, _AHEAD), _GOAL))


def test_places_are_the_middle_and_the_distance_of_the_corners(face):
    apart = np.hypot(26, 20)
    expected = [[96, 96, 32], [157, 100, apart], [125, 170, 50]]
    np.testing.assert_allclose(retargeting.measure_places(face, _AHEAD), expected)
    both = retargeting.measure_places(np.stack([face, face + 1]), np.stack([_AHEAD, _AHEAD]))
    np.testing.assert_allclose(both[1, :, 0], [97, 158, 126])


def test_turning_the_head_hardly_moves_the_mouth(samples):
    """A man turns by 7 and nods by 6 degrees each way, and smiles as he nods.

    In the image his mouth moves by 0.5 and 0.8 px a degree.
    """
    (person,) = faces.analyse(samples / "cap13_edit2.mp4", span=video_reader.Span(every=8)).people
    all_faces = [face for track in person.tracks for face in track.faces]
    crops = [
        similarity.apply(crop_alignment.face_transform(f.landmarks), f.landmarks) for f in all_faces
    ]
    pose = np.array([face.pose[:2] for face in all_faces])
    mouths = retargeting.measure_places(np.stack(crops), pose)[:, 2, :2]
    across, down = (np.polyfit(pose[:, i], mouths[:, i], 1)[0] for i in (0, 1))
    assert abs(across) < 0.2
    assert abs(down) < 0.5


def test_features_move_to_the_goal_and_nothing_else_moves(face):
    moved = _retargeted(face)
    np.testing.assert_allclose(retargeting.measure_places(moved, _AHEAD), _GOAL)
    np.testing.assert_array_equal(moved[_OTHERS], face[_OTHERS])
    np.testing.assert_array_equal(retargeting.retarget(face, UsualPlaces(_GOAL, _GOAL)), face)
    np.testing.assert_array_equal(retargeting.retarget(face, None), face)


def test_each_feature_moves_by_one_similarity_without_turning(face):
    moved = _retargeted(face)
    feature = [*topology.LEFT_EYE, *range(468, 473)]
    fitted = similarity.fit_similarity(face[feature], moved[feature])
    np.testing.assert_allclose(similarity.apply(fitted, face[feature]), moved[feature], atol=1e-9)
    assert fitted[1, 0] == pytest.approx(0, abs=1e-9)
    assert fitted[0, 0] == pytest.approx(30 / 32)


def test_openings_keep_their_ratio_to_the_width(face):
    wide = face.copy()
    wide[14] = wide[13] + [0, 20]
    moved = _retargeted(wide)
    assert mouth_opening_in_face_heights(moved, 256) == pytest.approx(
        60 / 50 * mouth_opening_in_face_heights(wide, 256)
    )
    assert eye_opening(moved) == pytest.approx(float(eye_opening(wide)))


def test_deviations_from_the_usual_place_are_kept(face):
    """A smile, or a look aside, is a deviation from the usual place."""
    usual = retargeting.measure_places(face, _AHEAD)
    aside = retargeting.retarget(face + np.array([4, 0]), UsualPlaces(usual, _GOAL))
    np.testing.assert_allclose(
        retargeting.measure_places(aside, _AHEAD)[:, 0] - _GOAL[:, 0], 4 * _GOAL[:, 2] / usual[:, 2]
    )
