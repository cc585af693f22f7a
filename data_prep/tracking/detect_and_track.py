"""Faces followed from frame to frame, the detector asked as rarely as loses nothing.

The detector looks at every n-th frame and at both ends of a shot. Between two such frames
the mesh carries the faces. If it carried every one of them through, and the detector finds
nothing that is not followed already, then looking at the frames between would have changed
nothing; otherwise the detector looks at them too, and the stretch is followed once more, so
that a face is found in its first frame and left in its last.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from data_prep.mesh.face_mesh import Region
from data_prep.records import Detection, Face, Frame
from data_prep.tracking.mesh_reader import MeshReading, ReadMesh
from data_prep.tracking.tracker import ReadFace, Tracker

Detect = Callable[[np.ndarray], list[list[Detection]]]


@dataclasses.dataclass(frozen=True)
class FrameGroup:
    """Neighbouring frames of one shot.

    Attributes:
      frames: in order of time.
      starts_shot: whether there is a cut before the first.
      detections: what the detector found in each; None if it has not looked.
      readings: what was read in each ahead of following.
    """

    frames: list[Frame]
    starts_shot: bool
    detections: list[list[Detection] | None]
    readings: list[list[MeshReading]]

    @property
    def unseen(self) -> list[int]:
        """Positions of the frames that the detector has not looked at."""
        return [number for number, found in enumerate(self.detections) if found is None]

    def detected(self, detect: Detect) -> FrameGroup:
        """The same when the detector has looked at all of it."""
        if not self.unseen:
            return self
        found = iter(detect(np.stack([self.frames[number].image for number in self.unseen])))
        seen = (next(found) if one is None else one for one in self.detections)
        return dataclasses.replace(self, detections=[*seen])


def frame_groups(
    frames: Iterable[tuple[Frame, bool]], length: int
) -> Iterator[tuple[list[Frame], bool]]:
    """Frames in groups to whose ends the detector looks.

    Args:
      frames: each with whether there is a cut before it.
      length: of a group at most; the first frame of a shot is one by itself.

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
    """Lets the detector look at the last frame of each group, at so many at once."""
    while several := list(itertools.islice(groups, batch)):
        found = detect(np.stack([frames[-1].image for frames, _ in several]))
        for (frames, starts_shot), detections in zip(several, found, strict=True):
            unseen = [None] * (len(frames) - 1)
            yield FrameGroup(frames, starts_shot, [*unseen, detections], [[] for _ in frames])


class KeyframeTracker:
    """Follows every face through a video.

    Args:
      tracker: collects them.
      read: reads a face.
      detect: the detector, for the frames that have to be looked at after all.
    """

    def __init__(self, tracker: Tracker, read: ReadMesh, detect: Detect):
        self.tracker = tracker
        self._read, self._detect = read, detect

    def __call__(self, stretch: FrameGroup) -> int:
        """Follows all faces through a stretch; returns how many frames were looked at."""
        if stretch.starts_shot:
            self.tracker.cut()
        looks = list(map(self._look, stretch.frames, stretch.readings))
        carried = self._carry(stretch, looks)
        if carried.events != self.tracker.events:
            stretch = stretch.detected(self._detect)
            carried = self._carry(stretch, looks)
        self.tracker = carried
        return len(stretch.frames) - len(stretch.unseen)

    def _carry(self, stretch: FrameGroup, looks: list[ReadFace]) -> Tracker:
        tracker = self.tracker.fork()
        for frame, look, faces in zip(stretch.frames, looks, stretch.detections, strict=True):
            tracker.add(frame, look, faces)
        return tracker

    def _look(self, frame: Frame, readings: list[MeshReading]) -> ReadFace:
        """Reads faces of one frame, each place once."""
        known = readings.copy()

        def look(region: Region) -> Face | None:
            for reading in known:
                if reading.answers(region):
                    return reading.face
            known.append(MeshReading(region, self._read(frame, region)))
            return known[-1].face

        return look
