"""Counts of poses, openings and sizes of a face over the crops of a data set.

Memory is constant, and the counts of several videos add up.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from data_prep.imaging import similarity
from data_prep.mesh import crop_alignment
from data_prep.mesh.expression import eye_opening, mouth_opening_in_face_heights
from data_prep.records import AlignedFace


@dataclasses.dataclass(frozen=True)
class Axis:
    """Bins of equal width; a value beyond either end is counted in the bin there.

    Attributes:
      start: lower edge of the first bin.
      step: width of a bin.
      bins: number of bins.
    """

    start: float
    step: float
    bins: int

    def index(self, value: float) -> int:
        """Returns the bin of a value."""
        return int(np.clip((value - self.start) // self.step, 0, self.bins - 1))

    @property
    def edges(self) -> np.ndarray:
        """Edges of the bins, `[bins + 1]` float64."""
        return self.start + self.step * np.arange(self.bins + 1)


ANGLES = Axis(-90, 5, 36)
AXES = {
    "mouth": Axis(0, 0.01, 30),
    "eyes": Axis(0, 0.025, 20),
    "sharpness": Axis(0, 0.25, 80),
    "height": Axis(0, 10, 120),
}


@dataclasses.dataclass(frozen=True)
class CoverageCounts:
    """Stored form of `Coverage`.

    Attributes:
      crops: number of crops.
      seconds: number of seconds of footage they come from.
      pose: cells that are not empty, as (yaw bin, pitch bin, crops).
      mouth: crops by opening of the mouth, bins `AXES["mouth"]`.
      eyes: crops by opening of the eyes.
      sharpness: crops by `AlignedFace.sharpness`.
      height: crops by height of the face in frame pixels.
    """

    crops: int
    seconds: int
    pose: tuple[tuple[int, int, int], ...]
    mouth: tuple[int, ...]
    eyes: tuple[int, ...]
    sharpness: tuple[int, ...]
    height: tuple[int, ...]


class Coverage:
    """Counts of crops by head pose, mouth, eyes, sharpness and size of the face.

    Attributes:
      crops: number of crops.
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
        """Counts one crop of a video; crops are added in order of time."""
        size = face.image.shape[0]
        self.crops += 1
        # A second counts once, however many crops it has: a high frame rate is no more footage.
        second = face.timestamp_us // 1_000_000
        self.seconds += second != self._second
        self._second = second
        self.pose[ANGLES.index(face.pose[0]), ANGLES.index(face.pose[1])] += 1
        values = {
            "mouth": mouth_opening_in_face_heights(face.landmarks, size),
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

    def counted(self) -> CoverageCounts:
        """Returns the counts in the form that is stored."""
        # Few of the 1296 cells are filled, so only these are stored.
        cells = np.argwhere(self.pose)
        filled = np.column_stack([cells, self.pose[tuple(cells.T)]]).tolist()
        return CoverageCounts(
            crops=self.crops,
            seconds=self.seconds,
            pose=tuple((yaw, pitch, crops) for yaw, pitch, crops in filled),
            **{name: tuple(counts.tolist()) for name, counts in self.counts.items()},
        )

    @classmethod
    def of(cls, stored: CoverageCounts) -> Coverage:
        """Builds the counts from their stored form; the inverse of `counted`."""
        coverage = cls()
        coverage.crops, coverage.seconds = stored.crops, stored.seconds
        for yaw, pitch, crops in stored.pose:
            coverage.pose[yaw, pitch] = crops
        coverage.counts = {name: np.array(getattr(stored, name), np.int64) for name in AXES}
        return coverage

    def angles_beyond(self, yaw: float = -math.inf, pitch: float = -math.inf) -> int:
        """Returns the number of crops whose yaw and pitch, degrees, are at least these."""
        # Counted are whole bins: those whose lower edge is at or above the limit.
        lower = ANGLES.edges[:-1]
        return int(self.pose[lower >= yaw][:, lower >= pitch].sum())

    def below(self, name: str, value: float) -> int:
        """Returns the number of crops below `value`, an edge of a bin of one of `AXES`."""
        # A multiple of the step may come out a rounding error above the edge it stands for.
        return int(self.counts[name][AXES[name].edges[1:] <= value + 1e-9].sum())

    def median(self, name: str) -> float:
        """Returns the middle of the bin of one of `AXES` that holds the median crop."""
        position = np.searchsorted(self.counts[name].cumsum(), self.crops / 2)
        axis = AXES[name]
        return axis.start + axis.step * (float(position) + 0.5)
