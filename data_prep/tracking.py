"""Faces of single frames to tracks: one person through time.

A face goes on where its motion leads. Who it is, is asked only where places do not tell:
while two faces are close to each other, and when one comes back after it was lost.
"""

from __future__ import annotations

import bisect
import copy
import dataclasses
from collections.abc import Callable

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from data_prep import landmarks, steadying
from data_prep.landmarks import Region
from data_prep.motion import Filter
from data_prep.records import EMBEDDING_SIZE, Detection, Face, Frame, Track

_THUMBNAIL = (48, 27)
# Frames are looked at in every 8th pixel; their thumbnail is an average of the rest.
_THINNED = 8
# Of a region's side, and of one per second and second: how well its place is measured, and
# how fast heads set off.
_REGION_NOISE, _REGION_ACCELERATION = 0.003, 4.0
# Boxes that overlap more are too close to tell by place; further away than this many sides of
# its box a lost face is not looked for.
_CLOSE, _REACH = 0.05, 2.0
# How much a difference in identity counts against a difference in place (1 - overlap).
_IDENTITY_WEIGHT = 3.0
# Share of overlap from which two boxes are of one face.
_SAME_FACE = 0.3
_CHIPS_AT_ONCE = 8


@dataclasses.dataclass(frozen=True)
class TrackingSettings:
    """How faces become tracks.

    Attributes:
      min_overlap: least intersection over union of a face with where it is expected.
      max_gap_us: a face missing for longer than this is a new track, microseconds.
      cut_difference: mean absolute difference of two frames' thumbnails, 0..255, above
        which a scene cut lies between them.
      same_person: largest distance of two embeddings of one person; dlib's own threshold.
      identify_every_us: time between two readings of a track's identity, microseconds.
      smoothing: how tracks are steadied.
    """

    min_overlap: float = 0.3
    max_gap_us: int = 500_000
    cut_difference: float = 25.0
    same_person: float = 0.6
    identify_every_us: int = 500_000
    smoothing: steadying.SmoothingSettings = steadying.SmoothingSettings()


@dataclasses.dataclass(frozen=True)
class Identifier:
    """Reads who a face is (see `identity`).

    Attributes:
      chip: image and landmarks to a chip `[S, S, 3]` uint8.
      embed: chips `[N, S, S, 3]` to embeddings `[N, EMBEDDING_SIZE]` float32.
    """

    chip: Callable[[np.ndarray, np.ndarray], np.ndarray]
    embed: Callable[[np.ndarray], np.ndarray]


class CutDetector:
    """Says whether a frame follows the one before it or starts a new shot."""

    def __init__(self, settings: TrackingSettings):
        self._threshold = settings.cut_difference
        self._before: np.ndarray | None = None

    def __call__(self, image: np.ndarray) -> bool:
        """Whether there is a cut between the last image given and this one, `[H, W, 3]`."""
        thin = min(_THINNED, max(image.shape[0] // _THUMBNAIL[1], 1))
        now = cv2.resize(
            np.ascontiguousarray(image[::thin, ::thin]), _THUMBNAIL, interpolation=cv2.INTER_AREA
        ).astype(np.float32)
        before, self._before = self._before, now
        return before is not None and float(np.abs(now - before).mean()) > self._threshold


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes `[4]`."""
    size = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = float(np.prod(np.maximum(size, 0)))
    union = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - both
    return both / union if union > 0 else 0.0


def mesh_box(points: np.ndarray) -> np.ndarray:
    """The box around a mesh `[478, 2]`: `[4]` float32."""
    return np.concatenate([points.min(0), points.max(0)]).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Sighting:
    """A face found in a frame, before it is known whose track it belongs to.

    Attributes:
      face: the face.
      box: around its mesh, `[4]`.
      confirmed: whether the detector found it too.
    """

    face: Face
    box: np.ndarray
    confirmed: bool


class Path:
    """An open track: what was seen of a face, and where it is expected next."""

    def __init__(self, sighting: Sighting):
        face, region = sighting.face, landmarks.region_of_mesh(sighting.face.landmarks)
        self.faces: list[Face] = []
        self.confirmed: list[int] = []
        self.missing = False
        self.chips: list[np.ndarray] = []
        self.chipped: list[int] = []
        self.embeddings: list[np.ndarray] = []
        self.identified_us = -(2**62)
        self.thumbnail: np.ndarray | None = None
        self._thumbnail_size = 0.0
        self._unit = region.side
        start = np.array([*region.centre / self._unit, np.log(region.side), region.angle])
        self._motion = Filter(start, _seconds(face), _REGION_NOISE)
        self._append(sighting)

    def fork(self) -> Path:
        """A copy that can go on without changing this one."""
        other = copy.copy(self)
        for name in ("faces", "confirmed", "chips", "chipped", "embeddings"):
            setattr(other, name, getattr(self, name).copy())
        other._motion = copy.copy(self._motion)
        return other

    def region(self, timestamp_us: int) -> Region:
        """Where the face is expected."""
        x, y, log_side, angle = self._motion.predict(timestamp_us * 1e-6)
        return Region(np.array([x, y]) * self._unit, float(np.exp(log_side)), float(angle))

    def add(self, sighting: Sighting) -> None:
        """The face in the next frame it is seen in."""
        region = landmarks.region_of_mesh(sighting.face.landmarks)
        self._motion.advance(_seconds(sighting.face), _REGION_ACCELERATION)
        turned = region.angle - self._motion.state[0, 3]
        angle = self._motion.state[0, 3] + np.angle(np.exp(1j * turned))
        self._motion.update(np.array([*region.centre / self._unit, np.log(region.side), angle]))
        self._append(sighting)

    def box(self, region: Region) -> np.ndarray:
        """The box around the mesh, if the face is where `region` says: `[4]`."""
        last = landmarks.region_of_mesh(self.faces[-1].landmarks)
        corners = mesh_box(self.faces[-1].landmarks).reshape(2, 2) - last.centre
        return (corners * (region.side / last.side) + region.centre).reshape(4)

    def keep_chip(self, chip: np.ndarray) -> None:
        """Keeps the last face's chip until it is read; the largest one is the thumbnail."""
        size = float(np.ptp(self.faces[-1].landmarks[:, 1]))
        if self.thumbnail is None or size > self._thumbnail_size:
            self.thumbnail, self._thumbnail_size = chip, size
        self.chips.append(chip)
        self.chipped.append(len(self.faces) - 1)
        self.identified_us = self.faces[-1].timestamp_us

    def _append(self, sighting: Sighting) -> None:
        if sighting.confirmed:
            self.confirmed.append(len(self.faces))
        self.faces.append(sighting.face)
        self.missing = False


class Tracker:
    """Collects the faces of one video, frame by frame, into tracks.

    Args:
      settings: how.
      identifier: asked where places do not tell; None relies on places alone.
    """

    def __init__(self, settings: TrackingSettings, identifier: Identifier | None = None):
        self._settings, self._identifier = settings, identifier
        self._closed: list[Path] = []
        self._clock: list[tuple[int, int]] = []
        self._open: list[Path] = []
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
        look: Callable[[Region], Face | None],
        detections: list[Detection],
    ) -> None:
        """Takes in the next frame.

        Args:
          frame: the frame.
          look: reads the face at a place of the frame, None if there is none.
          detections: what the detector found in it; none if it was not asked.
        """
        self._clock.append((frame.index, frame.timestamp_us))
        self._close_stale(frame.timestamp_us)
        expected = [path.region(frame.timestamp_us) for path in self._open]
        sightings = _sightings(expected, look, detections)
        boxes = [path.box(region) for path, region in zip(self._open, expected, strict=True)]
        owners = self._assign(frame, boxes, sightings)
        for index, path in enumerate(self._open):
            seen = index in owners.values()
            self.events += seen == path.missing
            path.missing = not seen
        for number, sighting in enumerate(sightings):
            if number in owners:
                self._open[owners[number]].add(sighting)
            elif sighting.confirmed:
                self._open.append(Path(sighting))
                self.events += 1
        self._identify(frame)

    def finish(self) -> tuple[Track, ...]:
        """All tracks, steadied, in order of first appearance."""
        self.cut()
        ordered = sorted(self._closed, key=lambda path: path.faces[0].frame_index)
        return tuple(self._track(number, path) for number, path in enumerate(ordered))

    def _track(self, number: int, path: Path) -> Track:
        self._embed(path)
        first, last = (self._at(path.faces[end].frame_index) for end in (0, -1))
        clock = self._clock[first : last + 1]
        faces, transforms = steadying.steady(
            path.faces, path.confirmed, clock, self._settings.smoothing
        )
        positions = [self._at(path.faces[i].frame_index) - first for i in path.chipped]
        return Track(
            track_id=number,
            faces=faces,
            transforms=transforms,
            embedded=np.array(positions, np.int64),
            embeddings=np.array(path.embeddings, np.float32).reshape(-1, EMBEDDING_SIZE),
            thumbnail=path.thumbnail,
        )

    def _at(self, frame_index: int) -> int:
        """Place of a frame in the clock."""
        return bisect.bisect_left(self._clock, (frame_index, -1))

    def _close_stale(self, timestamp_us: int) -> None:
        earliest = timestamp_us - self._settings.max_gap_us
        self._closed += [p for p in self._open if p.faces[-1].timestamp_us < earliest]
        self._open = [p for p in self._open if p.faces[-1].timestamp_us >= earliest]

    def _assign(
        self, frame: Frame, boxes: list[np.ndarray], sightings: list[Sighting]
    ) -> dict[int, int]:
        """Whose face each sighting is: number of the sighting to number of the open path."""
        if not sightings or not boxes:
            return {}
        costs = np.full((len(sightings), len(boxes)), np.inf)
        for column, path in enumerate(self._open):
            others = boxes[:column] + boxes[column + 1 :]
            asked = path.missing or _close(boxes[column], others)
            for row, sighting in enumerate(sightings):
                costs[row, column] = self._cost(frame, path, boxes[column], sighting, asked)
        rows, columns = linear_sum_assignment(np.where(np.isinf(costs), 1e3, costs))
        return {
            int(row): int(column)
            for row, column in zip(rows, columns, strict=True)
            if np.isfinite(costs[row, column])
        }

    def _cost(
        self, frame: Frame, path: Path, box: np.ndarray, sighting: Sighting, asked: bool
    ) -> float:
        """How little a sighting looks like the next face of a path; infinite if it is not."""
        limit = self._settings.same_person
        near = overlap(box, sighting.box)
        within = near >= self._settings.min_overlap
        if not asked or self._identifier is None or not _within_reach(box, sighting.box):
            return 1 - near + _IDENTITY_WEIGHT * limit if within else np.inf
        distance = self._distance(frame, path, sighting)
        if distance is None:
            return 1 - near + _IDENTITY_WEIGHT * limit if within else np.inf
        possible = distance <= limit or (within and not path.missing)
        return 1 - near + _IDENTITY_WEIGHT * distance if possible else np.inf

    def _distance(self, frame: Frame, path: Path, sighting: Sighting) -> float | None:
        """Distance of a sighting's identity from those read of a path, None if none was."""
        assert self._identifier is not None
        self._embed(path)
        if not path.embeddings:
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
            if _close(boxes[number], boxes[:number] + boxes[number + 1 :]):
                continue
            path.keep_chip(self._identifier.chip(frame.image, path.faces[-1].landmarks))
            if len(path.chips) == _CHIPS_AT_ONCE:
                self._embed(path)

    def _embed(self, path: Path) -> None:
        """Reads what chips a path has kept."""
        if path.chips and self._identifier is not None:
            path.embeddings = [*path.embeddings, *self._identifier.embed(np.stack(path.chips))]
            path.chips = []


def _sightings(
    expected: list[Region], look: Callable[[Region], Face | None], detections: list[Detection]
) -> list[Sighting]:
    """Every face of a frame once: those where faces are expected, then those detected."""
    found: list[Face] = []
    for region in expected:
        face = look(region)
        if face is not None and _is_new(face, found):
            found.append(face)
    for detection in detections:
        region = landmarks.region_of_detection(detection)
        if any(_covers(face, region) for face in found):
            continue
        face = look(region)
        if face is not None and _is_new(face, found):
            found.append(face)
    return [_sighting(face, detections) for face in found]


def _sighting(face: Face, detections: list[Detection]) -> Sighting:
    box = mesh_box(face.landmarks)
    best = max(detections, key=lambda d: overlap(d.box, box), default=None)
    confirmed = best is not None and overlap(best.box, box) >= _SAME_FACE
    if best is not None and confirmed:
        face = dataclasses.replace(face, detection=best)
    return Sighting(face, box, confirmed)


def _is_new(face: Face, found: list[Face]) -> bool:
    box = mesh_box(face.landmarks)
    return all(overlap(box, mesh_box(other.landmarks)) < _SAME_FACE for other in found)


def _covers(face: Face, region: Region) -> bool:
    """Whether the centre of a region lies well inside a face."""
    low, high = face.landmarks.min(0), face.landmarks.max(0)
    return bool(np.hypot(*(region.centre - (low + high) / 2)) < 0.25 * np.max(high - low))


def _close(box: np.ndarray, others: list[np.ndarray]) -> bool:
    return any(overlap(box, other) > _CLOSE for other in others)


def _within_reach(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two boxes lie no further apart than a lost face is looked for."""
    apart = np.hypot(*(a[:2] + a[2:] - b[:2] - b[2:])) / 2
    return bool(apart <= _REACH * np.max(a[2:] - a[:2]))


def _seconds(face: Face) -> float:
    return face.timestamp_us * 1e-6
