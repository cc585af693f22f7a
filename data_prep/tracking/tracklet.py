"""Tracklet: one face while it is being followed."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np

from data_prep.imaging.boxes import mesh_box
from data_prep.mesh import face_mesh
from data_prep.mesh.face_mesh import Region
from data_prep.records import Face
from data_prep.tracking.face_observations import FaceObservation
from data_prep.tracking.kalman import KalmanFilter

# Standard deviations, in sides of a face's region: of a measurement of the region, and of the
# acceleration of heads, per square second.
_REGION_NOISE, _REGION_ACCELERATION = 0.003, 4.0
# Time of the last chip before there is one: further back than any interval.
_NEVER_US = -(2**62)


class Tracklet:
    """Open track: the faces measured so far, and a prediction of the next one.

    Attributes:
      faces: measured faces, in order of time.
      confirmed: positions in `faces` of those that the detector found too.
      missing: whether the face was not found in the last frame.
      chips: chips that are not embedded yet.
      chip_positions: positions in `faces` of all chips, embedded or not.
      embeddings: embeddings of the first of these chips, `[EMBEDDING_SIZE]` each.
      last_chip_us: time of the last chip, microseconds.
      thumbnail: chip of the largest face, None before the first chip.
    """

    def __init__(self, observation: FaceObservation):
        face = observation.face
        self.faces: list[Face] = []
        self.confirmed: list[int] = []
        self.missing = False
        self.chips: list[np.ndarray] = []
        self.chip_positions: list[int] = []
        self.embeddings: list[np.ndarray] = []
        self.last_chip_us = _NEVER_US
        self.thumbnail: np.ndarray | None = None
        self._thumbnail_size = 0.0
        # The filter's state is (x, y, log side, angle), with places in sides of the first region:
        # its noises then fit faces of any size.
        region = face_mesh.region_of_mesh(face.landmarks)
        self._unit = region.side
        start = np.array([*region.centre / self._unit, np.log(region.side), region.angle])
        self._motion = KalmanFilter(start, _seconds(face), _REGION_NOISE)
        self._append(observation)

    def fork(self) -> Tracklet:
        """Returns a copy that can go on without changing this tracklet."""
        other = copy.copy(self)
        other.faces = self.faces.copy()
        other.confirmed = self.confirmed.copy()
        other.chips = self.chips.copy()
        other.chip_positions = self.chip_positions.copy()
        other.embeddings = self.embeddings.copy()
        other._motion = copy.copy(self._motion)
        return other

    def region(self, timestamp_us: int) -> Region:
        """Predicts the region of the face at a time."""
        x, y, log_side, angle = self._motion.predict(timestamp_us * 1e-6)
        return Region(np.array([x, y]) * self._unit, float(np.exp(log_side)), float(angle))

    def add(self, observation: FaceObservation) -> None:
        """Appends the face's next observation."""
        region = face_mesh.region_of_mesh(observation.face.landmarks)
        self._motion.advance(_seconds(observation.face), _REGION_ACCELERATION)
        # Measured angles jump by a full turn at 180 degrees; the filter's must not.
        predicted_angle = self._motion.state[0, 3]
        angle = predicted_angle + face_mesh.signed_angle(predicted_angle, region.angle)
        self._motion.update(np.array([*region.centre / self._unit, np.log(region.side), angle]))
        self._append(observation)

    def box_in(self, region: Region) -> np.ndarray:
        """Returns the box around the mesh, `[4]`, that the face has if it is in `region`."""
        last = face_mesh.region_of_mesh(self.faces[-1].landmarks)
        corners = mesh_box(self.faces[-1].landmarks).reshape(2, 2) - last.centre
        return (corners * (region.side / last.side) + region.centre).reshape(4)

    def keep_chip(self, chip: np.ndarray) -> None:
        """Keeps the chip of the last face, to be embedded later."""
        face = self.faces[-1]
        size = float(np.ptp(face.landmarks[:, 1]))
        if self.thumbnail is None or size > self._thumbnail_size:
            self.thumbnail, self._thumbnail_size = chip, size
        self.chips.append(chip)
        self.chip_positions.append(len(self.faces) - 1)
        self.last_chip_us = face.timestamp_us

    def embed_chips(self, embed: Callable[[np.ndarray], np.ndarray]) -> None:
        """Replaces the kept chips by their embeddings (see `settings.Identifier.embed`)."""
        if self.chips:
            self.embeddings = [*self.embeddings, *embed(np.stack(self.chips))]
            self.chips = []

    def drop_unconfirmed_end(self) -> None:
        """Drops the faces after the last one that the detector found, and their chips."""
        count = self.confirmed[-1] + 1
        self.faces = self.faces[:count]
        kept = sum(position < count for position in self.chip_positions)
        self.chip_positions, self.embeddings = self.chip_positions[:kept], self.embeddings[:kept]
        self.chips = self.chips[: kept - len(self.embeddings)]

    def select(self, kept: np.ndarray) -> Tracklet:
        """Returns a copy with some of the faces, once all chips are embedded.

        Args:
          kept: `[len(faces)]` bool.
        """
        other = self.fork()
        new_position = (np.cumsum(kept) - 1).tolist()
        other.faces = [face for face, stays in zip(self.faces, kept, strict=True) if stays]
        other.confirmed = [new_position[i] for i in self.confirmed if kept[i]]
        chips = zip(self.chip_positions, self.embeddings, strict=True)
        other.embeddings = [embedding for i, embedding in chips if kept[i]]
        other.chip_positions = [new_position[i] for i in self.chip_positions if kept[i]]
        return other

    @property
    def last_confirmed_us(self) -> int:
        """Time at which the detector last found the face, microseconds."""
        return self.faces[self.confirmed[-1]].timestamp_us

    def _append(self, observation: FaceObservation) -> None:
        if observation.confirmed:
            self.confirmed.append(len(self.faces))
        self.faces.append(observation.face)
        self.missing = False


def _seconds(face: Face) -> float:
    return face.timestamp_us * 1e-6
