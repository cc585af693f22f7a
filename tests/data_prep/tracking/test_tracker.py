"""Association of faces to tracks on motions whose truth is known; cuts on real clips."""

import numpy as np
import pytest

from data_prep.media import video_reader
from data_prep.mesh import face_mesh
from data_prep.records import Detection, Face, Frame
from data_prep.tracking import shot_boundary
from data_prep.tracking import tracker as tracker_lib

SETTINGS = tracker_lib.TrackingSettings()
_SIZE = 50.0


def _shape(person: int) -> np.ndarray:
    """A face of that person: what it looks like says who it is."""
    return np.random.default_rng(person).uniform(-1, 1, (478, 2))


_IMAGE = np.zeros((1, 1, 3), np.uint8)
_SHAPES = [_shape(person) for person in range(3)]


def _face(frame: int, person: int, x: float, y: float = 200.0, size: float = _SIZE) -> Face:
    points = (_SHAPES[person] * size + [x, y]).astype(np.float32)
    detection = Detection(tracker_lib.mesh_box(points), 1.0, points[:5])
    return Face(frame, frame * 40_000, detection, points, 1.0, np.zeros(3, np.float32))


def _chip(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Remembers whose face it was given."""
    own = (points - points.mean(0)) / np.ptp(points, axis=0)
    shapes = [(s - s.mean(0)) / np.ptp(s, axis=0) for s in _SHAPES]
    person = int(np.argmin([np.abs(own - shape).max() for shape in shapes]))
    return np.full((150, 150, 3), person, np.uint8)


def _embed(chips: np.ndarray) -> np.ndarray:
    return np.eye(128, dtype=np.float32)[chips[:, 0, 0, 0]]


IDENTIFIER = tracker_lib.Identifier(_chip, _embed)


def _follow(visible, identifier=IDENTIFIER, settings=SETTINGS, detected=None):
    """Tracks of faces: a list of (person, x) for each frame, None for a cut before the next.

    Args:
      visible: what can be seen in each frame.
      detected: whether the detector sees everything or nothing, for each frame in which it
        is asked; None if it sees everything always.
    """
    tracker, index = tracker_lib.Tracker(settings, identifier), 0
    for people in visible:
        if people is None:
            tracker.cut()
            continue
        faces = [_face(index, *person) for person in people]

        def look(region, faces=faces):
            off = [np.hypot(*(face.landmarks.mean(0) - region.centre)) for face in faces]
            near = int(np.argmin(off)) if off else 0
            return faces[near] if off and off[near] < 0.4 * region.side else None

        answer = True if detected is None else detected.get(index)
        seen = None if answer is None else [face.detection for face in faces if answer]
        tracker.add(Frame(index, index * 40_000, _IMAGE), look, seen)
        index += 1
    return tracker.finish()


def _where(track) -> np.ndarray:
    return np.array([face.landmarks[:, 0].mean() for face in track.faces])


def _filled(track) -> list[int]:
    return [face.frame_index for face in track.faces if face.detection.score == 0]


def test_two_people_side_by_side_stay_two_tracks():
    visible = [[(0, 150 + i), (1, 450 - i)][:: 1 if i % 2 else -1] for i in range(30)]
    left, right = sorted(_follow(visible), key=lambda t: _where(t)[0])
    assert (_where(left) < 300).all() and (_where(right) > 300).all()
    assert len(left.faces) == len(right.faces) == 30


@pytest.mark.parametrize("hidden", [0, 1])
def test_people_who_cross_keep_their_identities(hidden):
    """One goes behind the other and comes out on the other side."""
    visible = []
    for i in range(60):
        people = [(0, 100.0 + 6 * i), (1, 454.0 - 6 * i)]
        apart = abs(people[0][1] - people[1][1])
        visible.append([p for p in people if apart > 1.1 * _SIZE or p[0] != hidden])
    first, second = _follow(visible)
    for person, (track, speed) in enumerate(((first, 6), (second, -6))):
        frames = [face.frame_index for face in track.faces]
        np.testing.assert_allclose(
            _where(track), _where(track)[0] + speed * np.array(frames), atol=0.3 * _SIZE
        )
        # Nobody knows where a face is while it is hidden for long.
        assert frames == [i for i, people in enumerate(visible) if person in dict(people)]
        assert len(set(track.embeddings.argmax(1))) == 1


def test_where_people_turn_back_behind_each_other_only_identity_tells():
    """They meet, one is hidden, and both go back to where they came from."""
    inward = np.concatenate([np.arange(23), np.full(3, 23), np.arange(23, 0, -1)])
    visible = []
    for step in inward:
        people = [(0, 150.0 + 5 * step), (1, 420.0 - 5 * step)]
        visible.append([p for p in people if people[1][1] - people[0][1] > 60 or p[0] == 0])
    tracks = _follow(visible)
    assert len(tracks) == 2
    for track in tracks:
        assert abs(_where(track)[0] - _where(track)[-1]) < 20
        assert len(set(track.embeddings.argmax(1))) == 1


def test_a_missed_face_is_filled_in_and_a_long_absence_is_a_new_track():
    seen = {0, 1, 2, 5, 6, 7, 40, 41, 42}
    first, second = _follow([[(0, 100.0 + i)] if i in seen else [] for i in range(43)])
    assert [f.frame_index for f in first.faces] == list(range(8)) and _filled(first) == [3, 4]
    assert [f.frame_index for f in second.faces] == [40, 41, 42] and not _filled(second)
    np.testing.assert_allclose(np.diff(_where(first)), 1, atol=0.05)


def test_another_person_in_the_same_place_is_another_track():
    visible = [[(0, 100.0)]] * 20 + [[]] * 3 + [[(1, 100.0)]] * 20
    first, second = _follow(visible)
    assert (len(first.faces), len(second.faces)) == (20, 20)


def test_who_was_lost_is_found_again_elsewhere():
    visible = [[(0, 100.0)]] * 20 + [[]] * 5 + [[(0, 190.0)]] * 20
    (track,) = _follow(visible)
    assert [face.frame_index for face in track.faces] == [*range(20), *range(25, 45)]
    assert len(_follow(visible, identifier=None)) == 2


def test_a_cut_ends_the_track_so_nothing_overshoots():
    first, second = _follow([[(0, 100.0)]] * 20 + [None] + [[(0, 500.0)]] * 20)
    assert (len(first.faces), len(second.faces)) == (20, 20)
    for track in (first, second):
        assert np.ptp(track.transforms[:, 0, 2]) < 1e-3


def test_a_face_goes_on_without_the_detector_until_it_denies_it_for_long():
    still = [[(0, 100.0)]] * 60
    (unasked,) = _follow(still, detected={0: True})
    assert len(unasked.faces) == 60 and not _filled(unasked)
    missed = {i: i < 10 or i > 30 for i in range(60)}
    assert [len(track.faces) for track in _follow(still, detected=missed)] == [60]
    denied = {i: i < 10 for i in range(60)}
    assert [len(track.faces) for track in _follow(still, detected=denied)] == [10]


def test_what_comes_and_goes_at_once_is_no_face():
    visible = [[(0, 100.0)] if i in (5, 6) else [(1, 400.0)] for i in range(30)]
    assert len(_follow(visible)) == 1


def test_identity_is_read_twice_a_second_and_from_the_first_face_on():
    (track,) = _follow([[(2, 100.0)]] * 50)
    assert track.embedded.tolist() == [0, 13, 26, 39]
    assert track.embeddings.shape == (4, 128) and (track.embeddings.argmax(1) == 2).all()
    assert track.thumbnail.shape == (150, 150, 3)


def test_prediction_leads_to_where_the_face_goes():
    from data_prep.tracking.face_observations import FaceObservation
    from data_prep.tracking.tracklet import Tracklet

    faces = [_face(i, 0, 100 + 8.0 * i) for i in range(12)]
    sightings = [
        FaceObservation(face, tracker_lib.mesh_box(face.landmarks), True) for face in faces
    ]
    path = Tracklet(sightings[0])
    for sighting in sightings[1:11]:
        path.add(sighting)
    goal = face_mesh.region_of_mesh(faces[11].landmarks)
    assert np.hypot(*(path.region(11 * 40_000).centre - goal.centre)) < 0.02 * goal.side


def test_cuts_are_found_and_motion_is_not_one():
    random = np.random.default_rng(0)
    first, second = random.integers(0, 255, (2, 9, 16, 3), np.uint8).repeat(40, 1).repeat(40, 2)
    is_cut = shot_boundary.CutDetector(SETTINGS)
    assert [is_cut(i) for i in (first, np.roll(first, 4, 1), second)] == [False, False, True]


@pytest.mark.parametrize(
    ("clip", "cuts"),
    [
        ("bikes.mp4", [30, 76, 137, 187, 242]),
        ("face_noface.mov", [72, 73]),  # frame 72 is black
        ("cap13_edit2.mp4", []),
        ("WolfgangLanger_Pexels.mp4", []),
        ("carphone_pristine.mp4", []),
        ("bigbuckbunny.mp4", []),
    ],
)
def test_the_cuts_of_real_clips(samples, clip, cuts):
    is_cut = shot_boundary.CutDetector(SETTINGS)
    frames = video_reader.read_frames(samples / clip, exact=False)
    assert [f.index for f in frames if is_cut(f.image)] == cuts


def test_overlap_of_known_boxes():
    a, b = np.array([0.0, 0, 10, 10]), np.array([5.0, 0, 15, 10])
    assert tracker_lib.overlap(a, b) == 50 / 150
    assert tracker_lib.overlap(a, a + 20) == 0
