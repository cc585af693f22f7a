"""What a data set shows of a person, and whether that is enough to train on.

Counted crop by crop in constant memory; the counts of several videos are merged.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from data_prep.imaging import similarity
from data_prep.mesh import crop_alignment
from data_prep.mesh.expression import eye_opening, mouth_opening
from data_prep.records import AlignedFace


@dataclasses.dataclass(frozen=True)
class Axis:
    """Equal bins. What lies beyond either end is counted in the bin there.

    Attributes:
      start: lower edge of the first bin.
      step: width of a bin.
      bins: their number.
    """

    start: float
    step: float
    bins: int

    def index(self, value: float) -> int:
        """The bin of a value."""
        return int(np.clip((value - self.start) // self.step, 0, self.bins - 1))

    @property
    def edges(self) -> np.ndarray:
        """`[bins + 1]` float64."""
        return self.start + self.step * np.arange(self.bins + 1)


ANGLES = Axis(-90, 5, 36)
AXES = {
    "mouth": Axis(0, 0.01, 30),
    "eyes": Axis(0, 0.025, 20),
    "sharpness": Axis(0, 0.25, 80),
    "height": Axis(0, 10, 120),
}


class Coverage:
    """Counts of crops by head pose, mouth, eyes, sharpness and size of the face.

    Attributes:
      crops: their number.
      seconds: number of seconds of footage they come from.
      pose: `[36, 36]` int64, crops by yaw (first) and pitch, bins `ANGLES`.
      counts: crops by each of `AXES`, `[bins]` int64: opening of the mouth and of the eyes,
        `AlignedFace.sharpness`, and height of the face in frame pixels.
    """

    def __init__(self) -> None:
        self.crops = 0
        self.seconds = 0
        self.pose = np.zeros((ANGLES.bins, ANGLES.bins), np.int64)
        self.counts = {name: np.zeros(axis.bins, np.int64) for name, axis in AXES.items()}
        self._second = -1

    def add(self, face: AlignedFace) -> None:
        """Counts one crop of a video; the crops come in order of time."""
        size = face.image.shape[0]
        self.crops += 1
        second = face.timestamp_us // 1_000_000
        self.seconds += second != self._second
        self._second = second
        self.pose[ANGLES.index(face.pose[0]), ANGLES.index(face.pose[1])] += 1
        values = {
            "mouth": mouth_opening(face.landmarks, size),
            "eyes": float(eye_opening(face.landmarks)),
            "sharpness": face.sharpness,
            "height": crop_alignment.FACE_HEIGHT * size / similarity.scale_of(face.transform),
        }
        for name, value in values.items():
            self.counts[name][AXES[name].index(value)] += 1

    def merge(self, other: Coverage) -> None:
        """Adds the counts of another video."""
        self.crops += other.crops
        self.seconds += other.seconds
        self.pose += other.pose
        for name, counts in self.counts.items():
            counts += other.counts[name]

    def to_json(self) -> dict[str, Any]:
        """As plain values; of `pose` only what is not 0, as (yaw bin, pitch bin, crops)."""
        cells = np.argwhere(self.pose)
        return {
            "crops": self.crops,
            "seconds": self.seconds,
            "pose": np.column_stack([cells, self.pose[tuple(cells.T)]]).tolist(),
            **{name: counts.tolist() for name, counts in self.counts.items()},
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Coverage:
        """The inverse of `to_json`."""
        coverage = cls()
        coverage.crops, coverage.seconds = values["crops"], values["seconds"]
        for yaw, pitch, crops in values["pose"]:
            coverage.pose[yaw, pitch] = crops
        coverage.counts = {name: np.array(values[name], np.int64) for name in AXES}
        return coverage

    def angles_beyond(self, yaw: float = -math.inf, pitch: float = -math.inf) -> int:
        """Number of crops whose yaw and pitch are at least this."""
        lower = ANGLES.edges[:-1]
        return int(self.pose[lower >= yaw][:, lower >= pitch].sum())

    def below(self, name: str, value: float) -> int:
        """Number of crops below an edge of one of `AXES`."""
        return int(self.counts[name][AXES[name].edges[1:] <= value + 1e-9].sum())

    def median(self, name: str) -> float:
        """The middle of the bin that holds the median crop."""
        position = np.searchsorted(self.counts[name].cumsum(), self.crops / 2)
        axis = AXES[name]
        return axis.start + axis.step * (float(position) + 0.5)
