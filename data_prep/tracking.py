"""Faces of single frames to tracks: one person through time, steadied.

Association is by overlap, frame to frame. The frame-to-crop similarity of each track is
then smoothed by a Kalman filter and a Rauch-Tung-Striebel pass backwards (both filterpy):
the work is offline, so the estimate of a frame may use the frames after it and has no lag.
Noise is stated relative to the size of the face, so that it means the same at any
resolution.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from filterpy.kalman import KalmanFilter
from scipy.optimize import linear_sum_assignment

from data_prep import alignment
from data_prep.records import CROP_SIZE, Face, Track

_THUMBNAIL = (48, 27)


@dataclasses.dataclass(frozen=True)
class TrackingSettings:
    """How faces become tracks.

    Attributes:
      min_overlap: least intersection over union of a face with the same face before.
      max_gap_us: a face missing for longer than this is a new track, microseconds.
      cut_difference: mean absolute difference of two frames' thumbnails, 0..255, above
        which a scene cut lies between them.
      position_noise: standard deviation of one measured position, in face heights.
      acceleration: standard deviation of the head's acceleration, face heights (position),
        e-folds (scale) or radians (rotation) per square second.
    """

    min_overlap: float = 0.3
    max_gap_us: int = 500_000
    cut_difference: float = 25.0
    position_noise: float = 0.006
    acceleration: float = 4.0


class CutDetector:
    """Says whether a frame follows the one before it or starts a new shot."""

    def __init__(self, settings: TrackingSettings):
        self._threshold = settings.cut_difference
        self._before: np.ndarray | None = None

    def __call__(self, image: np.ndarray) -> bool:
        """Whether there is a cut between the last image given and this one, `[H, W, 3]`."""
        now = cv2.resize(image, _THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)
        before, self._before = self._before, now
        return before is not None and float(np.abs(now - before).mean()) > self._threshold


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes `[4]`."""
    size = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = float(np.prod(np.maximum(size, 0)))
    union = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - both
    return both / union if union > 0 else 0.0


def mesh_box(landmarks: np.ndarray) -> np.ndarray:
    """The box around a mesh `[478, 2]`: `[4]` float32."""
    return np.concatenate([landmarks.min(0), landmarks.max(0)]).astype(np.float32)


class Tracker:
    """Collects the faces of one video, frame by frame, into tracks."""

    def __init__(self, settings: TrackingSettings):
        self._settings = settings
        self._open: list[list[Face]] = []
        self._closed: list[list[Face]] = []

    @property
    def current(self) -> list[Face]:
        """The last known face of every track that may go on."""
        return [faces[-1] for faces in self._open]

    def cut(self) -> None:
        """Ends every track: the next frame belongs to another shot."""
        self._closed += self._open
        self._open = []

    def add(self, timestamp_us: int, faces: list[Face]) -> None:
        """Hands over all faces of the next frame."""
        self._close_stale(timestamp_us)
        taken = self._associate(faces)
        for index, face in enumerate(faces):
            if index in taken:
                self._open[taken[index]].append(face)
            else:
                self._open.append([face])

    def finish(self) -> tuple[Track, ...]:
        """All tracks, smoothed, in order of first appearance."""
        self.cut()
        ordered = sorted(self._closed, key=lambda faces: faces[0].frame_index)
        return tuple(
            Track(number, tuple(faces), smooth_transforms(faces, self._settings))
            for number, faces in enumerate(ordered)
        )

    def _close_stale(self, timestamp_us: int) -> None:
        stale = [
            faces
            for faces in self._open
            if timestamp_us - faces[-1].timestamp_us > self._settings.max_gap_us
        ]
        self._closed += stale
        self._open = [faces for faces in self._open if all(faces is not s for s in stale)]

    def _associate(self, faces: list[Face]) -> dict[int, int]:
        """Which face continues which open track: face index to track index."""
        if not faces or not self._open:
            return {}
        overlaps = np.array(
            [
                [overlap(mesh_box(f.landmarks), mesh_box(t.landmarks)) for t in self.current]
                for f in faces
            ]
        )
        rows, columns = linear_sum_assignment(-overlaps)
        enough = overlaps[rows, columns] >= self._settings.min_overlap
        return dict(zip(rows[enough].tolist(), columns[enough].tolist(), strict=True))


def smooth_transforms(faces: list[Face], settings: TrackingSettings) -> np.ndarray:
    """The frame-to-crop transform of every face of one track, smoothed over time.

    Args:
      faces: of one track, in order of time.
      settings: noise of the motion and of the measurement.

    Returns:
      `[len(faces), 2, 3]` float32.
    """
    measured = np.array([_to_state(alignment.face_transform(f.landmarks)) for f in faces])
    measured[:, 3] = np.unwrap(measured[:, 3])
    face_height = alignment.FACE_HEIGHT * CROP_SIZE / np.exp(np.median(measured[:, 2]))
    unit = np.array([face_height, face_height, 1.0, 1.0])
    seconds = np.array([f.timestamp_us for f in faces]) * 1e-6
    smoothed = smooth(measured / unit, seconds, settings.position_noise, settings.acceleration)
    return np.array([_to_transform(state) for state in smoothed * unit], np.float32)


def smooth(
    values: np.ndarray, seconds: np.ndarray, noise: float, acceleration: float
) -> np.ndarray:
    """Kalman filter and RTS smoother with a constant-velocity model.

    Args:
      values: `[N, D]`, measured; the dimensions are independent.
      seconds: `[N]`, increasing.
      noise: standard deviation of a measurement.
      acceleration: standard deviation of the second derivative, per square second.

    Returns:
      `[N, D]` float64.
    """
    count, dimensions = values.shape
    if count < 2:
        return values.astype(np.float64)
    steps = np.diff(seconds, prepend=seconds[0])
    transitions = [np.kron([[1, dt], [0, 1]], np.eye(dimensions)) for dt in steps]
    # White noise of acceleration, held over the step (piecewise-constant model).
    shocks = [np.kron([[0.5 * dt**2], [dt]], np.eye(dimensions)) for dt in steps]
    drifts = [acceleration**2 * shock @ shock.T for shock in shocks]
    tracker = KalmanFilter(dim_x=2 * dimensions, dim_z=dimensions)
    tracker.x = np.concatenate([values[0], np.zeros(dimensions)])
    # The first position is as uncertain as any measurement, the first speed is unknown.
    tracker.P = np.diag([noise**2] * dimensions + [1.0] * dimensions)
    tracker.H = np.eye(dimensions, 2 * dimensions)
    tracker.R = np.eye(dimensions) * noise**2
    means, covariances, _, _ = tracker.batch_filter(values, Fs=transitions, Qs=drifts)
    # filterpy's filter and smoother both take at index k the step that led to frame k.
    smoothed, _, _, _ = tracker.rts_smoother(means, covariances, Fs=transitions, Qs=drifts)
    return smoothed[:, :dimensions]


def _to_state(transform: np.ndarray) -> np.ndarray:
    """Crop centre in the frame (x, y), log scale, rotation: smooth for a smooth motion."""
    middle = (CROP_SIZE - 1) / 2
    centre = alignment.apply(alignment.inverse(transform), np.array([middle, middle]))
    rotation = np.arctan2(transform[1, 0], transform[0, 0])
    return np.array([*centre, np.log(alignment.scale_of(transform)), rotation])


def _to_transform(state: np.ndarray) -> np.ndarray:
    """The inverse of `_to_state`."""
    scale, middle = np.exp(state[2]), (CROP_SIZE - 1) / 2
    cosine, sine = scale * np.cos(state[3]), scale * np.sin(state[3])
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([linear, middle - linear @ state[:2]])
