"""Smoothing and association on trajectories whose truth is known."""

import numpy as np

from data_prep import tracking, video
from data_prep.records import Detection, Face

SETTINGS = tracking.TrackingSettings()
_SHAPE = np.random.default_rng(5).uniform(-1, 1, (478, 2))


def _face(frame: int, x: float, y: float = 200.0, size: float = 50.0) -> Face:
    landmarks = (_SHAPE * size + [x, y]).astype(np.float32)
    box = tracking.mesh_box(landmarks)
    detection = Detection(box, 1.0, landmarks[:5])
    return Face(frame, frame * 40_000, detection, landmarks, 1.0, np.zeros(3, np.float32))


def _smooth(values: np.ndarray) -> np.ndarray:
    seconds = np.arange(len(values)) * 0.04
    smoothed = tracking.smooth(
        values[:, None], seconds, SETTINGS.position_noise, SETTINGS.acceleration
    )
    return smoothed[:, 0]


def test_noise_of_a_static_face_shrinks():
    noise = np.random.default_rng(0).normal(0, SETTINGS.position_noise, 500)
    smoothed = _smooth(noise)
    assert smoothed.std() < 0.6 * noise.std()
    # What the eye sees is the trembling from frame to frame.
    assert np.diff(smoothed, 2).std() < np.diff(noise, 2).std() / 3


def test_constant_speed_has_no_lag():
    line = np.arange(100) * 0.03
    np.testing.assert_allclose(_smooth(line), line, atol=1e-3)


def test_the_smoother_finds_the_most_probable_motion_at_any_frame_rate():
    """Against least squares over all frames at once, on uneven times."""
    random = np.random.default_rng(0)
    seconds = np.cumsum(random.choice([0.02, 0.04, 0.08, 0.2], 60))
    values = np.cumsum(random.normal(0, 0.01, 60))
    ours = tracking.smooth(values[:, None], seconds, 0.006, 4.0)[:, 0]
    # Unknowns: first position, first speed, and the acceleration over every step.
    state = np.eye(2, 61)
    positions = [state[0]]
    for k, dt in enumerate(np.diff(seconds), start=2):
        state = np.array([[1, dt], [0, 1]]) @ state
        state[:, k] += [dt**2 / 2, dt]
        positions.append(state[0])
    prior = np.concatenate([[0.006, 1.0], np.full(59, 4.0)])
    rows = np.vstack([np.array(positions) / 0.006, np.diag(1 / prior)])
    goal = np.concatenate([values, values[:1], np.zeros(60)]) / 0.006
    best = np.linalg.lstsq(rows, goal, rcond=None)[0]
    np.testing.assert_allclose(ours, np.array(positions) @ best, atol=1e-9)


def test_constant_speed_has_no_lag_where_frames_are_dropped():
    random = np.random.default_rng(1)
    seconds = np.cumsum(random.choice([0.04, 0.08, 0.56], 100))
    smoothed = tracking.smooth(
        0.3 * seconds[:, None], seconds, SETTINGS.position_noise, SETTINGS.acceleration
    )
    np.testing.assert_allclose(smoothed[:, 0], 0.3 * seconds, atol=1e-3)


def test_a_cut_ends_the_track_so_nothing_overshoots():
    tracker = tracking.Tracker(SETTINGS)
    for i in range(20):
        tracker.add(i * 40_000, [_face(i, 100)])
    tracker.cut()
    for i in range(20, 40):
        tracker.add(i * 40_000, [_face(i, 500)])
    first, second = tracker.finish()
    assert (len(first.faces), len(second.faces)) == (20, 20)
    for track in (first, second):
        assert np.ptp(track.transforms[:, 0, 2]) < 1e-3


def test_two_people_side_by_side_stay_two_tracks():
    tracker = tracking.Tracker(SETTINGS)
    for i in range(30):
        faces = [_face(i, 150 + i), _face(i, 450 - i)]
        tracker.add(i * 40_000, faces if i % 2 else faces[::-1])
    left, right = sorted(tracker.finish(), key=lambda t: t.faces[0].landmarks[:, 0].mean())
    assert all(f.landmarks[:, 0].mean() < 300 for f in left.faces)
    assert all(f.landmarks[:, 0].mean() > 300 for f in right.faces)


def test_a_missed_face_goes_on_and_a_long_absence_is_a_new_track():
    tracker = tracking.Tracker(SETTINGS)
    for i in [0, 1, 2, 5, 6, 40, 41]:
        tracker.add(i * 40_000, [_face(i, 100)])
    assert [len(track.faces) for track in tracker.finish()] == [5, 2]


def test_cuts_are_found_and_motion_is_not_one():
    random = np.random.default_rng(0)
    first, second = random.integers(0, 255, (2, 9, 16, 3), np.uint8).repeat(40, 1).repeat(40, 2)
    is_cut = tracking.CutDetector(SETTINGS)
    assert [is_cut(i) for i in (first, np.roll(first, 4, 1), second)] == [False, False, True]


def test_the_cuts_of_a_real_clip(samples):
    is_cut = tracking.CutDetector(SETTINGS)
    frames = video.read_frames(samples / "bikes.mp4")
    assert [f.index for f in frames if is_cut(f.image)] == [30, 76, 137, 187, 242]


def test_a_long_take_of_a_moving_person_has_no_cut(samples):
    is_cut = tracking.CutDetector(SETTINGS)
    assert not any(is_cut(f.image) for f in video.read_frames(samples / "cap13_edit2.mp4"))


def test_overlap_of_known_boxes():
    a, b = np.array([0.0, 0, 10, 10]), np.array([5.0, 0, 15, 10])
    assert tracking.overlap(a, b) == 50 / 150
    assert tracking.overlap(a, a + 20) == 0
