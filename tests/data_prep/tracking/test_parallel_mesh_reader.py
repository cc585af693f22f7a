"""Faces read ahead of following, on motions whose truth is known."""

import dataclasses

import numpy as np
import pytest

from data_prep.imaging.boxes import mesh_box
from data_prep.mesh import face_mesh
from data_prep.records import Detection, Face, Frame
from data_prep.tracking import detect_and_track, parallel_mesh_reader
from data_prep.tracking.tracker import Tracker, TrackingSettings

_SHAPE = np.random.default_rng(0).uniform(-1, 1, (478, 2))
_LENGTH = 8


class _Scene:
    """One face where it is said to be; a place is read well where the face is near its centre.

    Attributes:
      read_at: index of each frame read and the region it was read in.
    """

    def __init__(self, x):
        self.faces = [self._face(index, at) for index, at in enumerate(x)]
        self.frames = [
            Frame(face.frame_index, face.timestamp_us, np.full((1, 1, 3), face.frame_index))
            for face in self.faces
        ]
        self.read_at = []

    def _face(self, index, x):
        points = (_SHAPE * 50 + [x, 200]).astype(np.float32)
        detection = Detection(mesh_box(points), 1.0, points[[33, 263, 4, 61, 291]])
        return Face(index, index * 40_000, detection, points, 1.0, np.zeros(3, np.float32))

    def read(self, frame, region):
        self.read_at.append((frame.index, region))
        face = self.faces[frame.index]
        off = region.centre - face_mesh.region_of_mesh(face.landmarks).centre
        return face if np.hypot(*off) < 40 else None

    def detect(self, images):
        return [[self.faces[image[0, 0, 0]].detection] for image in images]

    def stretches(self):
        """With the detector's faces in the last frame of each."""
        groups = detect_and_track.frame_groups(((frame, False) for frame in self.frames), _LENGTH)
        return detect_and_track.detect_keyframes(groups, self.detect, 2)


def _no_detector(images):
    raise AssertionError("nothing appears or is lost, so nothing has to be looked at again")


def _ahead(scene, stretches):
    ended = parallel_mesh_reader.read_keyframes(stretches, scene.read)
    return [parallel_mesh_reader.read_between(*one, scene.read) for one in ended]


def test_between_two_ends_a_face_is_read_on_the_straight_way():
    scene = _Scene(100 + 5.0 * np.arange(1 + 2 * _LENGTH))
    _ahead(scene, scene.stretches())
    read = {index for index, _ in scene.read_at}
    assert read == {*range(1 + 2 * _LENGTH)}
    for index, region in scene.read_at:
        there = face_mesh.region_of_mesh(scene.faces[index].landmarks)
        if index % _LENGTH:
            np.testing.assert_allclose(region.centre, there.centre, atol=1e-3)
            assert region.side == pytest.approx(there.side)
            assert region.angle == pytest.approx(there.angle)


@pytest.mark.parametrize("swing", [0.0, 60.0])
def test_who_follows_reads_what_was_not_found_ahead_and_nothing_else(swing):
    time = np.arange(1 + 2 * _LENGTH)
    scene = _Scene(100 + 5.0 * time + swing * np.sin(time * np.pi / _LENGTH) ** 2)
    stretches = _ahead(scene, scene.stretches())
    missed = {
        stretch.frames[number].index
        for stretch in stretches
        for number, readings in enumerate(stretch.readings)
        if all(reading.face is None for reading in readings)
    }
    assert bool(missed) == bool(swing)
    scene.read_at.clear()
    follower = detect_and_track.KeyframeTracker(
        Tracker(TrackingSettings()), scene.read, _no_detector
    )
    assert [follower(stretch) for stretch in stretches] == [1, 1, 1]
    (track,) = follower.tracker.finish()
    assert [face.frame_index for face in track.faces] == time.tolist()
    again = {index for index, _ in scene.read_at}
    assert again >= missed if swing else not again


def test_a_cut_has_no_way_across_it():
    scene = _Scene(np.full(1 + _LENGTH, 100.0))
    _ahead(scene, (dataclasses.replace(one, starts_shot=True) for one in scene.stretches()))
    read = {index for index, _ in scene.read_at}
    assert read == {0, _LENGTH}
