"""What is known of one face while it is followed."""

from __future__ import annotations

import copy

import numpy as np

from data_prep.imaging.boxes import mesh_box
from data_prep.mesh import face_mesh
from data_prep.mesh.face_mesh import Region
from data_prep.records import Face
from data_prep.tracking.face_observations import FaceObservation
from data_prep.tracking.kalman import KalmanFilter

# Of a region's side, and of one per second and second: how well its place is measured, and
# how fast heads set off.
_REGION_NOISE, _REGION_ACCELERATION = 0.003, 4.0


class Tracklet:
    """An open track: what was seen of a face, and where it is expected next.

    Attributes:
      faces: as measured, in order of time.
      confirmed: positions in `faces` of those that the detector saw too.
      missing: whether it was not found in the last frame.
      chips: whose identity is yet to be read.
      chipped: positions in `faces` whose identity is or will be read.
      embeddings: what was read, in the order of `chipped`.
      identified_us: when the last chip was taken.
      thumbnail: the largest chip.
    """

    def __init__(self, sighting: FaceObservation):
        face, region = sighting.face, face_mesh.region_of_mesh(sighting.face.landmarks)
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
        self._motion = KalmanFilter(start, _seconds(face), _REGION_NOISE)
        self._append(sighting)

    def fork(self) -> Tracklet:
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

    def add(self, sighting: FaceObservation) -> None:
        """The face in the next frame it is seen in."""
        region = face_mesh.region_of_mesh(sighting.face.landmarks)
        self._motion.advance(_seconds(sighting.face), _REGION_ACCELERATION)
        before = self._motion.state[0, 3]
        angle = before + face_mesh.turn(before, region.angle)
        self._motion.update(np.array([*region.centre / self._unit, np.log(region.side), angle]))
        self._append(sighting)

    def box(self, region: Region) -> np.ndarray:
        """The box around the mesh, if the face is where `region` says: `[4]`."""
        last = face_mesh.region_of_mesh(self.faces[-1].landmarks)
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

    def forget_unconfirmed(self) -> None:
        """Ends the path with the last face that the detector saw."""
        count = self.confirmed[-1] + 1
        self.faces = self.faces[:count]
        kept = sum(position < count for position in self.chipped)
        self.chipped, self.embeddings = self.chipped[:kept], self.embeddings[:kept]
        self.chips = self.chips[: kept - len(self.embeddings)]

    def only(self, kept: np.ndarray) -> Tracklet:
        """A copy with some of the faces, `[len(faces)]` bool, once all chips are read."""
        other, place = self.fork(), (np.cumsum(kept) - 1).tolist()
        other.faces = [face for face, stays in zip(self.faces, kept, strict=True) if stays]
        other.confirmed = [place[i] for i in self.confirmed if kept[i]]
        other.embeddings = [
            read for i, read in zip(self.chipped, self.embeddings, strict=False) if kept[i]
        ]
        other.chipped = [place[i] for i in self.chipped if kept[i]]
        return other

    @property
    def confirmed_us(self) -> int:
        """When the detector last saw the face."""
        return self.faces[self.confirmed[-1]].timestamp_us

    def _append(self, sighting: FaceObservation) -> None:
        if sighting.confirmed:
            self.confirmed.append(len(self.faces))
        self.faces.append(sighting.face)
        self.missing = False


def _seconds(face: Face) -> float:
    return face.timestamp_us * 1e-6
