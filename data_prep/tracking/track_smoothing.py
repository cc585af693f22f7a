"""Smoothing of a finished track: jitter is removed and missing faces are filled in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from data_prep.imaging import similarity
from data_prep.mesh import crop_alignment, face_mesh
from data_prep.mesh.topology import EYE_CORNERS, INNER_LIP_MIDDLES
from data_prep.records import CROP_SIZE, NUM_LANDMARKS, Detection, Face
from data_prep.tracking import kalman
from data_prep.tracking.settings import SmoothingSettings

_FACE_HEIGHT = crop_alignment.FACE_HEIGHT * CROP_SIZE
# Radii around the middles of eyes and mouth, in face heights, in which landmarks move with them.
_EYE_RADIUS = 0.13
_MOUTH_RADIUS = 0.22
# Noise, acceleration and speed of the detector's box within the mesh's, in sizes of the mesh's. It
# jitters by 1 to 2 % of the face from frame to frame and wanders by 3 %; its overlap with the
# box a frame before falls to 0.79 in the sample clips.
_BOX_NOISE, _BOX_ACCELERATION, _BOX_SPEED = 0.03, 0.1, 0.1
# Frames whose landmarks are smoothed at once (8 MB), and frames to either side that are smoothed
# with them: those a second away still influence each other.
_WINDOW, _MARGIN = 512, 32


class FrameTime(NamedTuple):
    """Place of a frame in the video.

    Attributes:
      frame_index: number of the frame.
      timestamp_us: its time, microseconds.
    """

    frame_index: int
    timestamp_us: int


class _Window(NamedTuple):
    """Part of a track that is smoothed at once.

    Attributes:
      result: frames whose result is kept.
      used: these frames and the margins around them.
      inner: position of `result` within `used`.
    """

    result: slice
    used: slice
    inner: slice


def smooth_track(
    faces: Sequence[Face],
    confirmed: Sequence[int],
    frame_times: Sequence[FrameTime],
    settings: SmoothingSettings = SmoothingSettings(),
) -> tuple[tuple[Face, ...], np.ndarray]:
    """Smooths one track, each frame by those before and those after it.

    Position, size and rotation are smoothed as one motion. The landmarks are smoothed in the
    coordinates of the crop that moves along, separately for eyes, mouth and the rest, each by its
    own liveliness, so that a blink or a word is not smeared.

    Args:
      faces: measured faces, in order of time.
      confirmed: positions in `faces` of those whose detection is the detector's own.
      frame_times: frames for which a face is wanted, from the first to the last measured face;
        those of all measured faces are among them.
      settings: noise and gate.

    Returns:
      A face for every frame of `frame_times` (landmarks and the detector's box smoothed, its score
      interpolated; score and presence are 0 where nothing was measured), and the frame-to-crop
      transforms `[len(frame_times), 2, 3]` float32.
    """
    positions = np.searchsorted(
        [time.frame_index for time in frame_times], [face.frame_index for face in faces]
    )
    seconds = np.array([time.timestamp_us for time in frame_times]) * 1e-6
    transforms, trust = _smooth_transforms(faces, positions, seconds, settings)
    # The landmarks of a frame whose transform is not believed are not believed either.
    points = _smooth_landmarks(faces, positions, transforms, seconds, trust, settings)
    smoothed = _assemble(faces, confirmed, frame_times, positions, points)
    return smoothed, transforms.astype(np.float32)


def _smooth_transforms(
    faces: Sequence[Face],
    positions: np.ndarray,
    seconds: np.ndarray,
    settings: SmoothingSettings,
) -> tuple[np.ndarray, np.ndarray]:
    """Smooths the alignment of a track.

    Returns:
      Frame-to-crop transforms `[N, 2, 3]`, and the trust in each frame's measurement, `[N]`.
    """
    states = np.array([_to_state(crop_alignment.face_transform(f.landmarks)) for f in faces])
    states[:, 3] = np.unwrap(states[:, 3])
    # Positions are in face heights, so that one noise fits them, log size and angle.
    face_height = _FACE_HEIGHT / np.exp(np.median(states[:, 2]))
    unit = np.array([face_height, face_height, 1.0, 1.0])
    values = np.zeros((len(seconds), 4))
    values[positions] = states / unit
    measured = np.zeros(len(seconds))
    measured[positions] = 1
    noise = kalman.estimate_noise(values, seconds, measured, settings.noise, robust=True)
    smoothed, trust = kalman.smooth(values, seconds, measured, noise, settings.gate)
    return np.array([_to_transform(state) for state in smoothed * unit]), trust


def _smooth_landmarks(
    faces: Sequence[Face],
    positions: np.ndarray,
    transforms: np.ndarray,
    seconds: np.ndarray,
    trust: np.ndarray,
    settings: SmoothingSettings,
) -> np.ndarray:
    """Smooths the landmarks of all frames: `[N, 478, 2]` float32, frame pixels."""
    parts = _moving_parts(similarity.apply(transforms[0], faces[0].landmarks) / _FACE_HEIGHT)
    points = np.empty((len(trust), NUM_LANDMARKS, 2), np.float32)
    for window in _windows(trust):
        used = window.used
        raw = np.zeros((used.stop - used.start, NUM_LANDMARKS, 2), np.float32)
        measured = slice(*np.searchsorted(positions, [used.start, used.stop]))
        raw[positions[measured] - used.start] = [face.landmarks for face in faces[measured]]
        # Smoothing works in the coordinates of the smoothed crop, in which the head does not move.
        linear, shift = transforms[used, None, :, :2], transforms[used, :, 2]
        in_crop = (linear @ raw[..., None])[..., 0] + shift[:, None]
        for part in parts:
            in_crop[:, part] = _smooth_part(
                in_crop[:, part], seconds[used], trust[used], settings.noise
            )
        in_frame = np.linalg.inv(linear) @ (in_crop - shift[:, None])[..., None]
        points[window.result] = in_frame[window.inner, :, :, 0]
    return points


def _smooth_part(
    in_crop: np.ndarray, seconds: np.ndarray, trust: np.ndarray, least_noise: float
) -> np.ndarray:
    """Smooths landmarks `[N, P, 2]`, crop pixels, that move together."""
    values = in_crop.reshape(len(in_crop), -1) / _FACE_HEIGHT
    noise = kalman.estimate_noise(values, seconds, trust, least_noise, robust=False)
    smoothed, _ = kalman.smooth(values, seconds, trust, noise)
    return smoothed.reshape(len(in_crop), -1, 2) * _FACE_HEIGHT


def _moving_parts(landmarks: np.ndarray) -> list[np.ndarray]:
    """Returns the indices of the landmarks that move with the eyes, the mouth, and the rest.

    Args:
      landmarks: `[478, 2]`, one face in face heights.
    """
    eyes = np.zeros(len(landmarks), bool)
    for corners in EYE_CORNERS:
        middle = landmarks[list(corners)].mean(0)
        eyes |= np.linalg.norm(landmarks - middle, axis=-1) < _EYE_RADIUS
    middle = landmarks[list(INNER_LIP_MIDDLES)].mean(0)
    mouth = np.linalg.norm(landmarks - middle, axis=-1) < _MOUTH_RADIUS
    parts = (eyes, mouth & ~eyes, ~mouth & ~eyes)
    return [np.flatnonzero(part) for part in parts if part.any()]


def _windows(trust: np.ndarray) -> Iterator[_Window]:
    """Splits a track of `len(trust)` frames into overlapping windows."""
    for start in range(0, len(trust), _WINDOW):
        stop = min(start + _WINDOW, len(trust))
        # A smoother must start with a measurement; the first frame of a track always is one.
        first = int(np.flatnonzero(trust[: max(start - _MARGIN, 0) + 1])[-1])
        yield _Window(
            result=slice(start, stop),
            used=slice(first, min(stop + _MARGIN, len(trust))),
            inner=slice(start - first, stop - first),
        )


def _assemble(
    faces: Sequence[Face],
    confirmed: Sequence[int],
    frame_times: Sequence[FrameTime],
    positions: np.ndarray,
    points: np.ndarray,
) -> tuple[Face, ...]:
    """Builds the faces of all frames from the measured ones and the smoothed landmarks."""
    measured = dict(zip(positions.tolist(), faces, strict=True))
    every = np.arange(len(frame_times))
    # Boxes and scores come from the confirmed faces only, poses from all measured ones.
    detected = [faces[i] for i in confirmed]
    detected_at = positions[list(confirmed)]
    boxes = _smooth_boxes(detected, detected_at, frame_times, points)
    scores = np.interp(every, detected_at, [face.detection.score for face in detected])
    angles = np.array([face.pose for face in faces]).T
    poses = np.stack([np.interp(every, positions, angle) for angle in angles], -1)
    # Faces that were filled in between measured ones have neither score nor presence.
    smoothed = []
    for k, time in enumerate(frame_times):
        score = float(scores[k]) if k in measured else 0.0
        smoothed.append(
            Face(
                frame_index=time.frame_index,
                timestamp_us=time.timestamp_us,
                detection=Detection(boxes[k], score, face_mesh.five_points(points[k])),
                landmarks=points[k],
                presence=measured[k].presence if k in measured else 0.0,
                pose=poses[k].astype(np.float32),
            )
        )
    return tuple(smoothed)


def _smooth_boxes(
    faces: Sequence[Face],
    positions: np.ndarray,
    frame_times: Sequence[FrameTime],
    points: np.ndarray,
) -> np.ndarray:
    """Smooths the detector's boxes relative to the mesh: `[N, 4]` float32, frame pixels."""
    # Boxes become shares of the mesh's, which is measured in more frames and more precisely.
    corners = np.stack([face.detection.box.reshape(2, 2) for face in faces])
    low = np.stack([face.landmarks.min(0) for face in faces])
    extent = np.stack([np.ptp(face.landmarks, axis=0) for face in faces])
    shares, trust = np.zeros((len(frame_times), 4)), np.zeros(len(frame_times))
    shares[positions] = ((corners - low[:, None]) / extent[:, None]).reshape(-1, 4)
    trust[positions] = 1
    seconds = np.array([time.timestamp_us for time in frame_times]) * 1e-6
    acceleration = np.full(len(frame_times), _BOX_ACCELERATION)
    noise = kalman.NoiseModel(_BOX_NOISE, acceleration, _BOX_SPEED)
    smoothed, _ = kalman.smooth(shares, seconds, trust, noise)
    # Back to frame pixels, by the smoothed mesh.
    corners = smoothed.reshape(-1, 2, 2) * np.ptp(points, axis=1)[:, None]
    corners = corners + points.min(1)[:, None]
    return corners.reshape(-1, 4).astype(np.float32)


def _to_state(transform: np.ndarray) -> np.ndarray:
    """Converts a transform to numbers that are smooth for a smooth motion.

    Returns:
      `[4]`: centre of the crop in the frame (x, y), log scale, rotation in radians.
    """
    middle = (CROP_SIZE - 1) / 2
    centre = similarity.apply(similarity.inverse(transform), np.array([middle, middle]))
    rotation = np.arctan2(transform[1, 0], transform[0, 0])
    return np.array([*centre, np.log(similarity.scale_of(transform)), rotation])


def _to_transform(state: np.ndarray) -> np.ndarray:
    """Inverts `_to_state`."""
    scale, middle = np.exp(state[2]), (CROP_SIZE - 1) / 2
    cosine, sine = scale * np.cos(state[3]), scale * np.sin(state[3])
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([linear, middle - linear @ state[:2]])
