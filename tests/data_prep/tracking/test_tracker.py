"""Tracking of simulated faces, whose motion and identity are known."""

import numpy as np
import pytest

from data_prep.imaging.boxes import mesh_box, overlap
from data_prep.mesh import face_mesh
from data_prep.records import Detection, Face, Frame
from data_prep.tracking.face_observations import FaceObservation
from data_prep.tracking.settings import Identifier, TrackingSettings
from data_prep.tracking.tracker import Tracker
from data_prep.tracking.tracklet import Tracklet

_SIZE = 50.0
_IMAGE = np.zeros((1, 1, 3), np.uint8)
# Meshes of three people: their identity is their shape.
_SHAPES = [np.random.default_rng(person).uniform(-1, 1, (478, 2)) for person in range(3)]


def _face(frame: int, person: int, x: float, y: float = 200.0, size: float = _SIZE) -> Face:
    points = (_SHAPES[person] * size + [x, y]).astype(np.float32)
    detection = Detection(mesh_box(points), 1.0, points[:5])
    return Face(frame, frame * 40_000, detection, points, 1.0, np.zeros(3, np.float32))


def _chip(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Chip whose pixels are the number of the person."""
    own = (points - points.mean(0)) / np.ptp(points, axis=0)
    shapes = [(s - s.mean(0)) / np.ptp(s, axis=0) for s in _SHAPES]
    person = int(np.argmin([np.abs(own - shape).max() for shape in shapes]))
    return np.full((150, 150, 3), person, np.uint8)


def _embed(chips: np.ndarray) -> np.ndarray:
    """Unit vectors, one dimension for each person."""
    return np.eye(128, dtype=np.float32)[chips[:, 0, 0, 0]]


IDENTIFIER = Identifier(_chip, _embed)


def _track(visible, identifier=IDENTIFIER, detected=None):
    """Tracks the faces of a video.

    Args:
      visible: (person, x) of every face of each frame, or None for a cut before the next frame.
      identifier: identity model of the tracker.
      detected: whether the detector finds all faces or none, for each frame on which it runs; None
        if it runs on all frames and finds all faces.
    """
    tracker, index = Tracker(TrackingSettings(), identifier), 0
    for people in visible:
        if people is None:
            tracker.end_shot()
            continue
        faces = [_face(index, *person) for person in people]

        def read_face(region, faces=faces):
            distances = [np.hypot(*(face.landmarks.mean(0) - region.centre)) for face in faces]
            nearest = int(np.argmin(distances)) if distances else 0
            return faces[nearest] if distances and distances[nearest] < 0.4 * region.side else None

        finds_all = True if detected is None else detected.get(index)
        detections = None
        if finds_all is not None:
            detections = [face.detection for face in faces if finds_all]
        tracker.add(Frame(index, index * 40_000, _IMAGE), read_face, detections)
        index += 1
    return tracker.finish()


def _x(track) -> np.ndarray:
    return np.array([face.landmarks[:, 0].mean() for face in track.faces])


def _filled_in(track) -> list[int]:
    return [face.frame_index for face in track.faces if face.detection.score == 0]


def test_two_people_side_by_side_stay_two_tracks():
    visible = [[(0, 150 + i), (1, 450 - i)][:: 1 if i % 2 else -1] for i in range(30)]
    left, right = sorted(_track(visible), key=lambda t: _x(t)[0])
    assert (_x(left) < 300).all() and (_x(right) > 300).all()
    assert len(left.faces) == len(right.faces) == 30


@pytest.mark.parametrize("hidden", [0, 1])
def test_people_who_cross_keep_their_identities(hidden):
    """One of them goes behind the other and comes out on the other side."""
    visible = []
    for i in range(60):
        people = [(0, 100.0 + 6 * i), (1, 454.0 - 6 * i)]
        apart = abs(people[0][1] - people[1][1])
        visible.append([p for p in people if apart > 1.1 * _SIZE or p[0] != hidden])
    first, second = _track(visible)
    for person, (track, speed) in enumerate(((first, 6), (second, -6))):
        frames = [face.frame_index for face in track.faces]
        np.testing.assert_allclose(
            _x(track), _x(track)[0] + speed * np.array(frames), atol=0.3 * _SIZE
        )
        # Where a face is while it is hidden for long is unknown, so nothing is filled in.
        assert frames == [i for i, people in enumerate(visible) if person in dict(people)]
        assert len(set(track.embeddings.argmax(1))) == 1


def test_identity_tells_people_apart_who_turn_back_behind_each_other():
    """They meet, one is hidden, and both go back to where they came from."""
    inward = np.concatenate([np.arange(23), np.full(3, 23), np.arange(23, 0, -1)])
    visible = []
    for step in inward:
        people = [(0, 150.0 + 5 * step), (1, 420.0 - 5 * step)]
        visible.append([p for p in people if people[1][1] - people[0][1] > 60 or p[0] == 0])
    tracks = _track(visible)
    assert len(tracks) == 2
    for track in tracks:
        assert abs(_x(track)[0] - _x(track)[-1]) < 20
        assert len(set(track.embeddings.argmax(1))) == 1


def test_a_missed_face_is_filled_in_and_a_long_absence_is_a_new_track():
    frames = {0, 1, 2, 5, 6, 7, 40, 41, 42}
    first, second = _track([[(0, 100.0 + i)] if i in frames else [] for i in range(43)])
    assert [f.frame_index for f in first.faces] == list(range(8)) and _filled_in(first) == [3, 4]
    assert [f.frame_index for f in second.faces] == [40, 41, 42] and not _filled_in(second)
    np.testing.assert_allclose(np.diff(_x(first)), 1, atol=0.05)


def test_another_person_in_the_same_place_is_another_track():
    visible = [[(0, 100.0)]] * 20 + [[]] * 3 + [[(1, 100.0)]] * 20
    first, second = _track(visible)
    assert (len(first.faces), len(second.faces)) == (20, 20)


def test_a_lost_face_is_found_again_elsewhere_by_its_identity():
    visible = [[(0, 100.0)]] * 20 + [[]] * 5 + [[(0, 190.0)]] * 20
    (track,) = _track(visible)
    assert [face.frame_index for face in track.faces] == [*range(20), *range(25, 45)]
    assert len(_track(visible, identifier=None)) == 2


def test_a_cut_ends_the_track_so_no_transform_is_smoothed_across_it():
    first, second = _track([[(0, 100.0)]] * 20 + [None] + [[(0, 500.0)]] * 20)
    assert (len(first.faces), len(second.faces)) == (20, 20)
    for track in (first, second):
        assert np.ptp(track.transforms[:, 0, 2]) < 1e-3


def test_a_track_goes_on_without_detections_until_the_detector_misses_it_for_long():
    still = [[(0, 100.0)]] * 60
    (detected_once,) = _track(still, detected={0: True})
    assert len(detected_once.faces) == 60 and not _filled_in(detected_once)
    missed_for_a_while = {i: i < 10 or i > 30 for i in range(60)}
    assert [len(track.faces) for track in _track(still, detected=missed_for_a_while)] == [60]
    missed_for_long = {i: i < 10 for i in range(60)}
    assert [len(track.faces) for track in _track(still, detected=missed_for_long)] == [10]


def test_a_face_of_two_frames_gives_no_track():
    visible = [[(0, 100.0)] if i in (5, 6) else [(1, 400.0)] for i in range(30)]
    assert len(_track(visible)) == 1


def test_a_track_is_embedded_twice_a_second_from_its_first_face_on():
    (track,) = _track([[(2, 100.0)]] * 50)
    assert track.embedded.tolist() == [0, 13, 26, 39]
    assert track.embeddings.shape == (4, 128) and (track.embeddings.argmax(1) == 2).all()
    assert track.thumbnail.shape == (150, 150, 3)


def test_a_tracklet_predicts_the_place_of_a_moving_face():
    faces = [_face(i, 0, 100 + 8.0 * i) for i in range(12)]
    observations = [FaceObservation(face, mesh_box(face.landmarks), True) for face in faces]
    tracklet = Tracklet(observations[0])
    for observation in observations[1:11]:
        tracklet.add(observation)
    truth = face_mesh.region_of_mesh(faces[11].landmarks)
    predicted = tracklet.region(11 * 40_000)
    assert np.hypot(*(predicted.centre - truth.centre)) < 0.02 * truth.side


def test_overlap_of_known_boxes():
    a, b = np.array([0.0, 0, 10, 10]), np.array([5.0, 0, 15, 10])
    assert overlap(a, b) == 50 / 150
    assert overlap(a, a + 20) == 0
