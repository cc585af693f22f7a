"""Faces read ahead of tracking, in simulated motions whose truth is known."""

import dataclasses

import numpy as np
import pytest

from data_prep.imaging.boxes import mesh_box
from data_prep.mesh import face_mesh
from data_prep.records import Detection, Face, Frame
from data_prep.tracking import detect_and_track, parallel_mesh_reader
from data_prep.tracking.settings import TrackingSettings
from data_prep.tracking.tracker import Tracker

_SHAPE = np.random.default_rng(0).uniform(-1, 1, (478, 2))
_LENGTH = 8


class _Scene:
    """A video of one face at given positions; it is read in regions whose centre is near it.

    Attributes:
      faces: the face in each frame.
      frames: the frames; each pixel has the index of its frame.
      reads: frame index and region of each reading.
    """

    def __init__(self, x):
        self.faces = [self._face(index, at) for index, at in enumerate(x)]
        self.frames = [
            Frame(face.frame_index, face.timestamp_us, np.full((1, 1, 3), face.frame_index))
            for face in self.faces
        ]
        self.reads = []

    def _face(self, index, x):
        points = (_SHAPE * 50 + [x, 200]).astype(np.float32)
        detection = Detection(mesh_box(points), 1.0, points[[33, 263, 4, 61, 291]])
        return Face(index, index * 40_000, detection, points, 1.0, np.zeros(3, np.float32))

    def read(self, frame, region):
        self.reads.append((frame.index, region))
        face = self.faces[frame.index]
        distance = region.centre - face_mesh.region_of_mesh(face.landmarks).centre
        return face if np.hypot(*distance) < 40 else None

    def detect(self, images):
        return [[self.faces[image[0, 0, 0]].detection] for image in images]

    def frame_groups(self):
        """Groups with the detector's faces in the last frame of each."""
        groups = detect_and_track.frame_groups(((frame, False) for frame in self.frames), _LENGTH)
        return detect_and_track.detect_keyframes(groups, self.detect, 2)


def _unexpected_detector(images):
    raise AssertionError("no face appears or is lost, so no group needs more detections")


def _read_ahead(scene, groups):
    with_keyframes = parallel_mesh_reader.read_keyframes(groups, scene.read)
    return [
        parallel_mesh_reader.read_between(group, before, scene.read)
        for group, before in with_keyframes
    ]


def test_between_key_frames_a_face_is_read_along_a_straight_line():
    scene = _Scene(100 + 5.0 * np.arange(1 + 2 * _LENGTH))
    _read_ahead(scene, scene.frame_groups())
    read = {index for index, _ in scene.reads}
    assert read == {*range(1 + 2 * _LENGTH)}
    for index, region in scene.reads:
        expected = face_mesh.region_of_mesh(scene.faces[index].landmarks)
        if index % _LENGTH:
            np.testing.assert_allclose(region.centre, expected.centre, atol=1e-3)
            assert region.side == pytest.approx(expected.side)
            assert region.angle == pytest.approx(expected.angle)


@pytest.mark.parametrize("swing", [0.0, 60.0])
def test_the_tracker_reads_only_the_faces_that_were_not_found_ahead(swing):
    time = np.arange(1 + 2 * _LENGTH)
    scene = _Scene(100 + 5.0 * time + swing * np.sin(time * np.pi / _LENGTH) ** 2)
    groups = _read_ahead(scene, scene.frame_groups())
    missed = {
        group.frames[number].index
        for group in groups
        for number, readings in enumerate(group.readings)
        if all(reading.face is None for reading in readings)
    }
    assert bool(missed) == bool(swing)
    scene.reads.clear()
    tracker = detect_and_track.KeyframeTracker(
        Tracker(TrackingSettings()), scene.read, _unexpected_detector
    )
    assert [tracker(group) for group in groups] == [1, 1, 1]
    (track,) = tracker.tracker.finish()
    assert [face.frame_index for face in track.faces] == time.tolist()
    again = {index for index, _ in scene.reads}
    assert again >= missed if swing else not again


def test_no_face_is_read_ahead_across_a_cut():
    scene = _Scene(np.full(1 + _LENGTH, 100.0))
    groups = (dataclasses.replace(group, starts_shot=True) for group in scene.frame_groups())
    _read_ahead(scene, groups)
    read = {index for index, _ in scene.reads}
    assert read == {0, _LENGTH}
