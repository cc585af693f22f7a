"""Tracking with as few detections as lose nothing.

The detector runs on key frames: every n-th frame and both ends of a shot. In the frames between,
the mesh follows the faces. If it follows all of them from one key frame to the next, and the
detector finds no further face there, detections in between would have changed nothing. Otherwise
the detector runs on the frames in between as well, and the group is tracked once more, so that
each face is found in its first frame and lost in its last.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from data_prep.mesh.face_mesh import Region
from data_prep.records import Detection, Face, Frame
from data_prep.tracking.face_observations import ReadFace
from data_prep.tracking.mesh_reader import MeshReading, ReadMesh
from data_prep.tracking.tracker import Tracker

# Maps images `[N, H, W, 3]` uint8 to the faces of each.
Detect = Callable[[np.ndarray], list[list[Detection]]]


@dataclasses.dataclass(frozen=True)
class FrameGroup:
    """Neighbouring frames of one shot, the last of which is a key frame.

    Attributes:
      frames: frames in order of time.
      starts_shot: whether there is a cut before the first frame.
      detections: the detector's faces in each frame; None where it has not run.
      readings: faces read in each frame ahead of tracking.
    """

    frames: list[Frame]
    starts_shot: bool
    detections: list[list[Detection] | None]
    readings: list[list[MeshReading]]

    @property
    def undetected(self) -> list[int]:
        """Positions of the frames on which the detector has not run."""
        return [number for number, faces in enumerate(self.detections) if faces is None]

    def detected(self, detect: Detect) -> FrameGroup:
        """Returns a copy in which the detector has run on all frames."""
        if not self.undetected:
            return self
        images = np.stack([self.frames[number].image for number in self.undetected])
        detections = self.detections.copy()
        for number, faces in zip(self.undetected, detect(images), strict=True):
            detections[number] = faces
        return dataclasses.replace(self, detections=detections)


def frame_groups(
    frames: Iterable[tuple[Frame, bool]], length: int
) -> Iterator[tuple[list[Frame], bool]]:
    """Splits frames into groups whose last frames are the key frames.

    The first frame of a shot is a group of its own, so that both ends of a shot are key frames.

    Args:
      frames: each frame, and whether there is a cut before it.
      length: largest number of frames in a group.

    Yields:
      The frames of a group, and whether it starts a shot.
    """
    group: list[Frame] = []
    for number, (frame, cut) in enumerate(frames):
        if (cut or len(group) == length) and group:
            yield group, False
            group = []
        if cut or not number:
            yield [frame], cut
        else:
            group.append(frame)
    if group:
        yield group, False


def detect_keyframes(
    groups: Iterator[tuple[list[Frame], bool]], detect: Detect, batch: int
) -> Iterator[FrameGroup]:
    """Runs the detector on the last frame of each group, on `batch` of them at once."""
    while several := list(itertools.islice(groups, batch)):
        found = detect(np.stack([frames[-1].image for frames, _ in several]))
        for (frames, starts_shot), detections in zip(several, found, strict=True):
            undetected = [None] * (len(frames) - 1)
            yield FrameGroup(frames, starts_shot, [*undetected, detections], [[] for _ in frames])


class KeyframeTracker:
    """Tracks every face through a video, group by group.

    Args:
      tracker: tracker without frames.
      read: reads a face.
      detect: the detector, for groups that turn out to need it in every frame.

    Attributes:
      tracker: tracker after the last group.
    """

    def __init__(self, tracker: Tracker, read: ReadMesh, detect: Detect):
        self.tracker = tracker
        self._read, self._detect = read, detect

    def __call__(self, group: FrameGroup) -> int:
        """Tracks all faces through the next group.

        Returns:
          Number of the group's frames on which the detector has run.
        """
        if group.starts_shot:
            self.tracker.end_shot()
        read_faces = list(map(self._read_once, group.frames, group.readings))
        advanced = self._advanced(group, read_faces)
        # A face appeared or was lost somewhere in the group: the detector has to find out where.
        if advanced.events != self.tracker.events:
            group = group.detected(self._detect)
            advanced = self._advanced(group, read_faces)
        self.tracker = advanced
        return len(group.frames) - len(group.undetected)

    def _advanced(self, group: FrameGroup, read_faces: list[ReadFace]) -> Tracker:
        """Returns the tracker after a group; the present one stays as it is, for a second try."""
        tracker = self.tracker.fork()
        for frame, read_face, faces in zip(group.frames, read_faces, group.detections, strict=True):
            tracker.add(frame, read_face, faces)
        return tracker

    def _read_once(self, frame: Frame, readings: list[MeshReading]) -> ReadFace:
        """Returns a reader of one frame that reads no face twice."""
        known = readings.copy()

        def read_face(region: Region) -> Face | None:
            for reading in known:
                if reading.answers(region):
                    return reading.face
            known.append(MeshReading(region, self._read(frame, region)))
            return known[-1].face

        return read_face
