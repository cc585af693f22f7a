"""Features moved to another's places, on faces whose answer is known."""

import numpy as np
import pytest

from data_prep.imaging import similarity
from data_prep.media import video_reader
from data_prep.mesh import crop_alignment, topology
from data_prep.mesh.expression import eye_opening, mouth_opening
from data_prep.pipeline import faces
from sagan_jax.inputs import retargeting
from sagan_jax.inputs.retargeting import Places

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


def _moved(face):
    return retargeting.retargeted(face, Places(retargeting.places(face, _AHEAD), _GOAL))


def test_places_are_the_middle_and_the_distance_of_the_corners(face):
    apart = np.hypot(26, 20)
    expected = [[96, 96, 32], [157, 100, apart], [125, 170, 50]]
    np.testing.assert_allclose(retargeting.places(face, _AHEAD), expected)
    both = retargeting.places(np.stack([face, face + 1]), np.stack([_AHEAD, _AHEAD]))
    np.testing.assert_allclose(both[1, :, 0], [97, 158, 126])


def test_turning_the_head_moves_no_usual_place(samples):
    """A man turns by 7 and nods by 6 degrees each way. As seen, his mouth moves by 0.5 and 0.8 px a
    degree: he also smiles as he nods."""
    (person,) = faces.analyse(samples / "cap13_edit2.mp4", span=video_reader.Span(every=8)).people
    seen = [face for track in person.tracks for face in track.faces]
    crops = [
        similarity.apply(crop_alignment.face_transform(f.landmarks), f.landmarks) for f in seen
    ]
    pose = np.array([face.pose[:2] for face in seen])
    mouths = retargeting.places(np.stack(crops), pose)[:, 2, :2]
    across, down = (np.polyfit(pose[:, i], mouths[:, i], 1)[0] for i in (0, 1))
    assert abs(across) < 0.2
    assert abs(down) < 0.5


def test_features_go_to_the_goal_and_nothing_else_moves(face):
    moved = _moved(face)
    np.testing.assert_allclose(retargeting.places(moved, _AHEAD), _GOAL)
    np.testing.assert_array_equal(moved[_OTHERS], face[_OTHERS])
    np.testing.assert_array_equal(retargeting.retargeted(face, Places(_GOAL, _GOAL)), face)
    np.testing.assert_array_equal(retargeting.retargeted(face, None), face)


def test_each_feature_moves_by_one_similarity_without_turning(face):
    moved = _moved(face)
    feature = [*topology.LEFT_EYE, *range(468, 473)]
    fitted = similarity.fit_similarity(face[feature], moved[feature])
    np.testing.assert_allclose(similarity.apply(fitted, face[feature]), moved[feature], atol=1e-9)
    assert fitted[1, 0] == pytest.approx(0, abs=1e-9)
    assert fitted[0, 0] == pytest.approx(30 / 32)


def test_a_mouth_opens_by_as_much_of_its_width_and_eyes_as_far_as_before(face):
    wide = face.copy()
    wide[14] = wide[13] + [0, 20]
    moved = _moved(wide)
    assert mouth_opening(moved, 256) == pytest.approx(60 / 50 * mouth_opening(wide, 256))
    assert eye_opening(moved) == pytest.approx(float(eye_opening(wide)))


def test_what_is_unusual_stays_unusual(face):
    """A smile, or a look aside, is told by how far it is from what is usual."""
    usual = retargeting.places(face, _AHEAD)
    aside = retargeting.retargeted(face + np.array([4, 0]), Places(usual, _GOAL))
    np.testing.assert_allclose(
        retargeting.places(aside, _AHEAD)[:, 0] - _GOAL[:, 0], 4 * _GOAL[:, 2] / usual[:, 2]
    )
