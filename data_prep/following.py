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
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from data_prep import landmarks
from data_prep.landmarks import Region
from data_prep.records import Detection, Face, Frame
from data_prep.sightings import mesh_box
from data_prep.tracking import Look, Tracker

Detect = Callable[[np.ndarray], list[list[Detection]]]


@dataclasses.dataclass(frozen=True)
class Stretch:
    """Neighbouring frames of one shot.

    Attributes:
      frames: in order of time.
      starts_shot: whether there is a cut before the first.
      detections: what the detector found in the last.
    """

    frames: list[Frame]
    starts_shot: bool
    detections: list[Detection]


def stretches(
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


def detect_ends(
    groups: Iterator[tuple[list[Frame], bool]], detect: Detect, batch: int
) -> Iterator[list[Stretch]]:
    """Lets the detector look at the last frame of each group, so many at once."""
    while several := list(itertools.islice(groups, batch)):
        found = detect(np.stack([frames[-1].image for frames, _ in several]))
        yield [
            Stretch(frames, starts_shot, detections)
            for (frames, starts_shot), detections in zip(several, found, strict=True)
        ]


class Follower:
    """Follows every face through a video.

    Args:
      tracker: collects them.
      mesh: reads landmarks.
      detect: the detector, for the frames that have to be looked at after all.
      min_presence: least probability, by the mesh, of being a face, 0..1.
    """

    def __init__(
        self, tracker: Tracker, mesh: landmarks.FaceMesh, detect: Detect, min_presence: float
    ):
        self.tracker = tracker
        self._mesh, self._detect, self._min_presence = mesh, detect, min_presence

    def __call__(self, stretch: Stretch) -> int:
        """Follows all faces through a stretch; returns how many frames were looked at."""
        if stretch.starts_shot:
            self.tracker.cut()
        unseen = [None] * (len(stretch.frames) - 1)
        looks = [self._look(frame) for frame in stretch.frames]
        carried = self._carry(stretch, looks, unseen)
        if not unseen or carried.events == self.tracker.events:
            self.tracker = carried
            return 1
        seen = self._detect(np.stack([frame.image for frame in stretch.frames[:-1]]))
        self.tracker = self._carry(stretch, looks, seen)
        return len(stretch.frames)

    def _carry(
        self, stretch: Stretch, looks: list[Look], detections: Sequence[list[Detection] | None]
    ) -> Tracker:
        tracker = self.tracker.fork()
        found = [*detections, stretch.detections]
        for frame, look, faces in zip(stretch.frames, looks, found, strict=True):
            tracker.add(frame, look, faces)
        return tracker

    def _look(self, frame: Frame) -> Look:
        """Reads faces of one frame, each place once."""
        known: dict[tuple[float, ...], Face | None] = {}

        def look(region: Region) -> Face | None:
            place = (*region.centre.tolist(), region.side, region.angle)
            if place not in known:
                known[place] = self._read(frame, region)
            return known[place]

        return look

    def _read(self, frame: Frame, region: Region) -> Face | None:
        if not _in_view(region, frame.image):
            return None
        found = self._mesh(frame.image, region)
        if found.presence < self._min_presence:
            return None
        points = found.points[:, :2].copy()
        unconfirmed = Detection(mesh_box(points), 0.0, landmarks.five_points(points))
        pose = landmarks.head_pose(found.points)
        return Face(frame.index, frame.timestamp_us, unconfirmed, points, found.presence, pose)


def _in_view(region: Region, image: np.ndarray) -> bool:
    height, width = image.shape[:2]
    x, y = region.centre
    return region.side > 8 and 0 <= x < width and 0 <= y < height
