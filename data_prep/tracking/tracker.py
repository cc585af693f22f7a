"""Faces of single frames to tracks: one person through time.

A face goes on where its motion leads. Who it is, is asked only where places do not tell:
while two faces are close to each other, and when one comes back after it was lost.
"""

from __future__ import annotations

import bisect
import copy
import dataclasses
import itertools
from collections.abc import Callable

import numpy as np
from scipy.optimize import linear_sum_assignment

from data_prep.imaging.boxes import mesh_box, overlap
from data_prep.mesh.face_mesh import Region
from data_prep.records import EMBEDDING_SIZE, Detection, Face, Frame, Track
from data_prep.tracking import face_observations, track_smoothing
from data_prep.tracking.face_observations import FaceObservation
from data_prep.tracking.tracklet import Tracklet

# Boxes that overlap more are too close to tell by place; further away than this many sides of
# its box a lost face is not looked for.
_CLOSE, _REACH = 0.05, 2.0
# How much a difference in identity counts against a difference in place (1 - overlap).
_IDENTITY_WEIGHT = 3.0
# The cost of what cannot be.
_NEVER = 1e3
_CHIPS_AT_ONCE = 8

# Reads the face at a place of a frame; None if there is none.
ReadFace = Callable[[Region], Face | None]


@dataclasses.dataclass(frozen=True)
class TrackingSettings:
    """How faces become tracks.

    Attributes:
      min_overlap: least intersection over union of a face with where it is expected.
      max_gap_us: a face missing for longer than this is a new track, microseconds.
      max_filled_us: of frames between two measured faces further apart than this none is filled
        in: what hid the face is to be seen there, and where it is meanwhile is a guess (behind
        another head in a test clip off by up to 144 px), microseconds.
      cut_difference: mean absolute difference of two frames' thumbnails, 0..255, above
        which a scene cut lies between them.
      max_unconfirmed_us: a face that only the mesh believes in for longer than this ends where
        the detector last saw it, microseconds.
      min_frames: a face that comes and goes within fewer frames is taken for an error.
      same_person: largest distance of two embeddings of one person; dlib's own threshold.
      identify_every_us: time between two readings of a track's identity, microseconds.
      smoothing: how tracks are steadied.
    """

    min_overlap: float = 0.3
    max_gap_us: int = 500_000
    max_filled_us: int = 200_000
    cut_difference: float = 25.0
    max_unconfirmed_us: int = 1_000_000
    min_frames: int = 3
    same_person: float = 0.6
    identify_every_us: int = 500_000
    smoothing: track_smoothing.SmoothingSettings = track_smoothing.SmoothingSettings()


@dataclasses.dataclass(frozen=True)
class Identifier:
    """Reads who a face is (see `identity`).

    Attributes:
      chip: image and landmarks to a chip `[S, S, 3]` uint8.
      embed: chips `[N, S, S, 3]` to embeddings `[N, EMBEDDING_SIZE]` float32.
    """

    chip: Callable[[np.ndarray, np.ndarray], np.ndarray]
    embed: Callable[[np.ndarray], np.ndarray]


class Tracker:
    """Collects the faces of one video, frame by frame, into tracks.

    Args:
      settings: how.
      identifier: asked where places do not tell; None relies on places alone.

    Attributes:
      events: how often a face appeared, was lost, came back, or was given up because the
        detector did not confirm it.
    """

    def __init__(self, settings: TrackingSettings, identifier: Identifier | None = None):
        self._settings, self._identifier = settings, identifier
        self._closed: list[Tracklet] = []
        self._clock: list[tuple[int, int]] = []
        self._open: list[Tracklet] = []
        self.events = 0

    def fork(self) -> Tracker:
        """A copy that can go on without changing this one."""
        other = copy.copy(self)
        other._closed, other._clock = self._closed.copy(), self._clock.copy()
        other._open = [path.fork() for path in self._open]
        return other

    def cut(self) -> None:
        """Ends every track: the next frame belongs to another shot."""
        self._closed += self._open
        self._open = []

    def add(
        self,
        frame: Frame,
        look: ReadFace,
        detections: list[Detection] | None,
    ) -> None:
        """Takes in the next frame.

        Args:
          frame: the frame.
          look: reads the face at a place of the frame, None if there is none.
          detections: what the detector found in it; None if it was not asked.
        """
        self._clock.append((frame.index, frame.timestamp_us))
        self._close_stale(frame.timestamp_us)
        expected = [path.region(frame.timestamp_us) for path in self._open]
        found = face_observations.observe(expected, look, detections or [])
        boxes = [path.box(region) for path, region in zip(self._open, expected, strict=True)]
        owners = self._assign(frame, boxes, found)
        for index, path in enumerate(self._open):
            seen = index in owners.values()
            self.events += seen == path.missing
            path.missing = not seen
        for number, sighting in enumerate(found):
            if number in owners:
                self._open[owners[number]].add(sighting)
            elif sighting.confirmed:
                self._open.append(Tracklet(sighting))
                self.events += 1
        if detections is not None:
            self._give_up_unconfirmed(frame.timestamp_us)
        self._identify(frame)

    def finish(self) -> tuple[Track, ...]:
        """All tracks, steadied, in order of first appearance."""
        self.cut()
        self._closed.sort(key=lambda path: path.faces[0].frame_index)
        # What was measured of a track is let go when it is steadied: an hour of it is 0.5 GB.
        count = len(self._closed)
        return tuple(self._track(number, self._closed.pop(0)) for number in range(count))

    def _give_up_unconfirmed(self, timestamp_us: int) -> None:
        limit = timestamp_us - self._settings.max_unconfirmed_us
        for path in [path for path in self._open if path.confirmed_us < limit]:
            path.forget_unconfirmed()
            self._close(path)
            self.events += 1

    def _track(self, number: int, path: Tracklet) -> Track:
        self._embed(path)
        path = path.only(self._trusted(path))
        clock = self._clock_of(path)
        faces, transforms = track_smoothing.steady(
            path.faces, path.confirmed, clock, self._settings.smoothing
        )
        positions = [_place(clock, path.faces[i]) for i in path.chipped]
        return Track(
            track_id=number,
            faces=faces,
            transforms=transforms,
            embedded=np.array(positions, np.int64),
            embeddings=np.array(path.embeddings, np.float32).reshape(-1, EMBEDDING_SIZE),
            thumbnail=path.thumbnail,
        )

    def _trusted(self, path: Tracklet) -> np.ndarray:
        """Which faces of a path count: before and after it is hidden, the detector must have seen
        it as well, since the mesh slides over to what hides it. `[len(path.faces)]` bool."""
        trusted = np.ones(len(path.faces), bool)
        confirmed = np.isin(np.arange(len(trusted)), path.confirmed)
        times = [face.timestamp_us for face in path.faces]
        for gap in np.flatnonzero(np.diff(times) > self._settings.max_filled_us).tolist():
            before, after = confirmed[gap::-1], confirmed[gap + 1 :]
            trusted[gap + 1 - int(np.argmax([*before, True])) : gap + 1] = False
            trusted[gap + 1 : gap + 1 + int(np.argmax([*after, True]))] = False
        return trusted

    def _clock_of(self, path: Tracklet) -> list[tuple[int, int]]:
        """The frames of a track: those of its faces, and those in the gaps that are filled in."""
        first, last = (_place(self._clock, path.faces[end]) for end in (0, -1))
        clock = self._clock[first : last + 1]
        seen, times = np.array([f.timestamp_us for f in path.faces]), np.array(clock)[:, 1]
        after = np.searchsorted(seen, times)
        gaps = seen[after] - seen[np.maximum(after - 1, 0)]
        shown = (seen[after] == times) | (gaps <= self._settings.max_filled_us)
        return list(itertools.compress(clock, shown.tolist()))

    def _close_stale(self, timestamp_us: int) -> None:
        earliest = timestamp_us - self._settings.max_gap_us
        for path in [path for path in self._open if path.faces[-1].timestamp_us < earliest]:
            self._close(path)

    def _close(self, path: Tracklet) -> None:
        self._open = [other for other in self._open if other is not path]
        if len(path.faces) >= self._settings.min_frames:
            self._closed.append(path)

    def _assign(
        self, frame: Frame, boxes: list[np.ndarray], found: list[FaceObservation]
    ) -> dict[int, int]:
        """Whose face each sighting is: number of the sighting to number of the open path."""
        costs = np.full((len(found), len(boxes)), _NEVER)
        for column, (path, box) in enumerate(zip(self._open, boxes, strict=True)):
            asked = path.missing or _close_to_another(box, boxes, column)
            for row, sighting in enumerate(found):
                distance = self._distance(frame, path, box, sighting) if asked else None
                costs[row, column] = self._cost(path, overlap(box, sighting.box), distance)
        rows, columns = linear_sum_assignment(costs)
        possible = costs[rows, columns] < _NEVER
        return dict(zip(rows[possible].tolist(), columns[possible].tolist(), strict=True))

    def _cost(self, path: Tracklet, near: float, distance: float | None) -> float:
        """How little a sighting, that near and of an identity that distant, looks like the
        next face of a path."""
        limit, within = self._settings.same_person, near >= self._settings.min_overlap
        if distance is not None:
            within = distance <= limit or (within and not path.missing)
        distance = limit if distance is None else distance
        return 1 - near + _IDENTITY_WEIGHT * distance if within else _NEVER

    def _distance(
        self, frame: Frame, path: Tracklet, box: np.ndarray, sighting: FaceObservation
    ) -> float | None:
        """Distance of a sighting's identity from those read of a path, None if unknown."""
        self._embed(path)
        if self._identifier is None or not path.embeddings or _beyond(box, sighting.box):
            return None
        chip = self._identifier.chip(frame.image, sighting.face.landmarks)
        embedding = self._identifier.embed(chip[None])[0]
        return float(np.linalg.norm(np.mean(path.embeddings, 0) - embedding))

    def _identify(self, frame: Frame) -> None:
        """Keeps chips of the faces whose identity is due and that no other face is close to."""
        if self._identifier is None:
            return
        boxes = [mesh_box(path.faces[-1].landmarks) for path in self._open]
        for number, path in enumerate(self._open):
            since = frame.timestamp_us - path.identified_us
            if path.missing or since < self._settings.identify_every_us:
                continue
            if _close_to_another(boxes[number], boxes, number):
                continue
            path.keep_chip(self._identifier.chip(frame.image, path.faces[-1].landmarks))
            if len(path.chips) == _CHIPS_AT_ONCE:
                self._embed(path)

    def _embed(self, path: Tracklet) -> None:
        """Reads what chips a path has kept."""
        if path.chips and self._identifier is not None:
            path.embeddings = [*path.embeddings, *self._identifier.embed(np.stack(path.chips))]
            path.chips = []


def _place(clock: list[tuple[int, int]], face: Face) -> int:
    """Position of a face's frame in a clock."""
    return bisect.bisect_left(clock, (face.frame_index, -1))


def _close_to_another(box: np.ndarray, boxes: list[np.ndarray], own: int) -> bool:
    return any(overlap(box, other) > _CLOSE for i, other in enumerate(boxes) if i != own)


def _beyond(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two boxes lie further apart than a lost face is looked for."""
    apart = np.hypot(*(a[:2] + a[2:] - b[:2] - b[2:])) / 2
    return bool(apart > _REACH * np.max(a[2:] - a[:2]))
