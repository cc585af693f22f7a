"""A track's measured faces to steady ones: what trembles is smoothed, what is missing filled."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from data_prep.imaging import similarity
from data_prep.mesh import crop_alignment, face_mesh
from data_prep.mesh.topology import EYE_CORNERS
from data_prep.records import CROP_SIZE, NUM_LANDMARKS, Detection, Face
from data_prep.tracking import kalman

_FACE_HEIGHT = crop_alignment.FACE_HEIGHT * CROP_SIZE
# The parts of a face that move by themselves, in face heights around their middles.
_EYE_RADIUS = 0.13
_MOUTH, _MOUTH_RADIUS = (13, 14), 0.22
# The detector's box trembles against the mesh by 1 to 2 % of the face from frame to frame and
# wanders by 3 %; its overlap with the box a frame before falls to 0.79 in the sample clips.
_BOX_NOISE, _BOX_ACCELERATION, _BOX_SPEED = 0.03, 0.1, 0.1
# Landmarks of so many frames are smoothed at once (8 MB); those a second to either side
# know of each other.
_WINDOW, _MARGIN = 512, 32


@dataclasses.dataclass(frozen=True)
class SmoothingSettings:
    """How tracks are steadied. Lengths are in face heights, whatever the face's size.

    Attributes:
      noise: standard deviation of a good measurement (0.05 px in a face of 160); a track's
        own noise, up to ten times this, is read off its quietest parts.
      gate: standard deviations from its prediction at which a measurement is not believed.
    """

    noise: float = 0.0003
    gate: float = 6.0


def steady(
    faces: Sequence[Face],
    confirmed: Sequence[int],
    clock: Sequence[tuple[int, int]],
    settings: SmoothingSettings = SmoothingSettings(),
) -> tuple[tuple[Face, ...], np.ndarray]:
    """Smooths one track by all of its frames, those before and those after.

    Place, size and turn are one motion; the landmarks are smoothed in the coordinates of the
    crop that moves along, eyes, mouth and the rest each by their own liveliness, so that a
    blink or a word is not smeared.

    Args:
      faces: measured, in order of time.
      confirmed: positions in `faces` of those whose detection is the detector's own.
      clock: index and timestamp of the frames from the first to the last face that are wanted,
        those of all faces among them.
      settings: noise and gate.

    Returns:
      A face for every frame of `clock`: landmarks and the detector's box smoothed, its score
      interpolated; score and presence are 0 where nothing was measured. And the
      frame-to-crop transforms `[len(clock), 2, 3]` float32.
    """
    where = np.searchsorted([index for index, _ in clock], [f.frame_index for f in faces])
    seconds = np.array([time_us for _, time_us in clock]) * 1e-6
    measured = np.zeros(len(clock))
    measured[where] = 1
    transforms, trust = _steady_transforms(faces, where, seconds, measured, settings)
    points = _steady_landmarks(faces, where, transforms, seconds, trust, settings)
    return _assemble(faces, confirmed, clock, where, points), transforms.astype(np.float32)


def _steady_transforms(
    faces: Sequence[Face],
    where: np.ndarray,
    seconds: np.ndarray,
    measured: np.ndarray,
    settings: SmoothingSettings,
) -> tuple[np.ndarray, np.ndarray]:
    """Transforms `[N, 2, 3]`, and how far the measurement of each frame is trusted, `[N]`."""
    states = np.array([_to_state(crop_alignment.face_transform(f.landmarks)) for f in faces])
    states[:, 3] = np.unwrap(states[:, 3])
    face_height = _FACE_HEIGHT / np.exp(np.median(states[:, 2]))
    unit = np.array([face_height, face_height, 1.0, 1.0])
    values = np.zeros((len(seconds), 4))
    values[where] = states / unit
    noise = kalman.measure_noise(values, seconds, measured, settings.noise, robust=True)
    smoothed, trust = kalman.smooth(values, seconds, measured, noise, settings.gate)
    return np.array([_to_transform(state) for state in smoothed * unit]), trust


def _steady_landmarks(
    faces: Sequence[Face],
    where: np.ndarray,
    transforms: np.ndarray,
    seconds: np.ndarray,
    trust: np.ndarray,
    settings: SmoothingSettings,
) -> np.ndarray:
    """Landmarks of all frames, smoothed: `[N, 478, 2]` float32, frame pixels."""
    parts = _parts(similarity.apply(transforms[0], faces[0].landmarks) / _FACE_HEIGHT)
    points = np.empty((len(trust), NUM_LANDMARKS, 2), np.float32)
    for window, used, inner in _windows(trust):
        linear, shift = transforms[used, None, :, :2], transforms[used, :, 2]
        raw = np.zeros((len(linear), NUM_LANDMARKS, 2), np.float32)
        some = slice(*np.searchsorted(where, [used.start, used.stop]))
        raw[where[some] - used.start] = [face.landmarks for face in faces[some]]
        own = (linear @ raw[..., None])[..., 0] + shift[:, None]
        for part in parts:
            values = own[:, part].reshape(len(own), -1) / _FACE_HEIGHT
            noise = kalman.measure_noise(
                values, seconds[used], trust[used], settings.noise, robust=False
            )
            smoothed, _ = kalman.smooth(values, seconds[used], trust[used], noise)
            own[:, part] = smoothed.reshape(len(own), -1, 2) * _FACE_HEIGHT
        back = np.linalg.inv(linear) @ (own - shift[:, None])[..., None]
        points[window] = back[inner, :, :, 0]
    return points


def _parts(own: np.ndarray) -> list[np.ndarray]:
    """Indices of the landmarks of eyes, mouth and the rest, from one face `[478, 2]`."""
    eyes = np.zeros(len(own), bool)
    for corners in EYE_CORNERS:
        eyes |= np.linalg.norm(own - own[list(corners)].mean(0), axis=-1) < _EYE_RADIUS
    mouth = np.linalg.norm(own - own[list(_MOUTH)].mean(0), axis=-1) < _MOUTH_RADIUS
    parts = (eyes, mouth & ~eyes, ~mouth & ~eyes)
    return [np.flatnonzero(part) for part in parts if part.any()]


def _windows(trust: np.ndarray) -> Iterator[tuple[slice, slice, slice]]:
    """Parts of a track: which frames, which with their margins, and the first in the second."""
    for start in range(0, len(trust), _WINDOW):
        stop = min(start + _WINDOW, len(trust))
        # A smoother starts with a measurement; a track's first frame always is one.
        first = int(np.flatnonzero(trust[: max(start - _MARGIN, 0) + 1])[-1])
        yield (
            slice(start, stop),
            slice(first, min(stop + _MARGIN, len(trust))),
            slice(start - first, stop - first),
        )


def _assemble(
    faces: Sequence[Face],
    confirmed: Sequence[int],
    clock: Sequence[tuple[int, int]],
    where: np.ndarray,
    points: np.ndarray,
) -> tuple[Face, ...]:
    """Faces of all frames from the measured ones and all smoothed landmarks."""
    measured = dict(zip(where.tolist(), faces, strict=True))
    every = np.arange(len(clock))
    boxes = _steady_boxes([faces[i] for i in confirmed], where[list(confirmed)], clock, points)
    scores = np.interp(every, where[list(confirmed)], [faces[i].detection.score for i in confirmed])
    poses = np.array([face.pose for face in faces])
    poses = np.stack([np.interp(every, where, angle) for angle in poses.T], -1)
    return tuple(
        Face(
            frame_index=index,
            timestamp_us=timestamp_us,
            detection=Detection(
                boxes[k],
                float(scores[k]) if k in measured else 0.0,
                face_mesh.five_points(points[k]),
            ),
            landmarks=points[k],
            presence=measured[k].presence if k in measured else 0.0,
            pose=poses[k].astype(np.float32),
        )
        for k, (index, timestamp_us) in enumerate(clock)
    )


def _steady_boxes(
    faces: Sequence[Face], where: np.ndarray, clock: Sequence[tuple[int, int]], points: np.ndarray
) -> np.ndarray:
    """The detector's boxes `[N, 4]` float32, steadied against the mesh."""
    corners = np.stack([face.detection.box.reshape(2, 2) for face in faces])
    low = np.stack([face.landmarks.min(0) for face in faces])
    extent = np.stack([np.ptp(face.landmarks, axis=0) for face in faces])
    shares, known = np.zeros((len(clock), 4)), np.zeros(len(clock))
    shares[where] = ((corners - low[:, None]) / extent[:, None]).reshape(-1, 4)
    known[where] = 1
    seconds = np.array([time_us for _, time_us in clock]) * 1e-6
    noise = kalman.Noise(_BOX_NOISE, np.full(len(clock), _BOX_ACCELERATION), _BOX_SPEED)
    smooth, _ = kalman.smooth(shares, seconds, known, noise)
    smooth = smooth.reshape(-1, 2, 2) * np.ptp(points, axis=1)[:, None] + points.min(1)[:, None]
    return smooth.reshape(-1, 4).astype(np.float32)


def _to_state(transform: np.ndarray) -> np.ndarray:
    """Crop centre in the frame (x, y), log scale, rotation: smooth for a smooth motion."""
    middle = (CROP_SIZE - 1) / 2
    centre = similarity.apply(similarity.inverse(transform), np.array([middle, middle]))
    rotation = np.arctan2(transform[1, 0], transform[0, 0])
    return np.array([*centre, np.log(similarity.scale_of(transform)), rotation])


def _to_transform(state: np.ndarray) -> np.ndarray:
    """The inverse of `_to_state`."""
    scale, middle = np.exp(state[2]), (CROP_SIZE - 1) / 2
    cosine, sine = scale * np.cos(state[3]), scale * np.sin(state[3])
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([linear, middle - linear @ state[:2]])
