"""Frames of a target to frames with the other face: crop, generator, colour, blend."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Iterator, Mapping
from concurrent import futures
from typing import Any, NamedTuple

import numpy as np

from data_prep import faces, video
from data_prep.masks import Masker
from data_prep.records import AlignedFace, Frame, Track
from sagan_jax import blend, colour
from sagan_jax.blend import Blend
from sagan_jax.swap import Swapper

BATCH = 16
_COLOUR_SAMPLES = 64


class _Swapped(NamedTuple):
    """A face of the target, and what the generator drew in its place.

    Attributes:
      face: of the target, aligned.
      rgb: `[R, R, 3]` float32 in 0..1.
      mask: `[R, R, 1]` float32 in 0..1.
    """

    face: AlignedFace
    rgb: np.ndarray
    mask: np.ndarray


class Renderer:
    """Frames to swapped frames, in order of time.

    Args:
      swapper: the trained generator.
      light: mean and spread of the colour of the face in this clip, see `clip_colour`.
      tracks: whose faces are replaced; no two at the same time.
      masker: makes the masks of the target.
      method: how a face gets the colours of the scene.
      edge: how its edge is hidden.
      sharpen: whether it is made as crisp as the scene.
    """

    def __init__(
        self,
        swapper: Swapper,
        light: tuple[np.ndarray, np.ndarray],
        tracks: tuple[Track, ...],
        masker: Masker,
        *,
        method: colour.Method,
        edge: Blend,
        sharpen: bool,
    ):
        self._swapper = swapper
        self._masker = masker
        self._light = light
        self._where = {
            face.frame_index: (track, position)
            for track in tracks
            for position, face in enumerate(track.faces)
        }
        self._edge = edge
        self._finish = _Finish(method, sharpen)

    def __call__(self, frames: Iterator[Frame]) -> Iterator[tuple[Frame, np.ndarray, np.ndarray]]:
        """Each frame with its swapped image and the `[height, width]` float32 alpha."""

        def swap_next() -> list[tuple[Frame, _Swapped | None]]:
            return self._swap(list(itertools.islice(frames, BATCH)))

        # The next batch is decoded, cropped and rendered while this one is pasted and coded.
        with futures.ThreadPoolExecutor(max_workers=1) as ahead:
            following = ahead.submit(swap_next)
            while batch := following.result():
                following = ahead.submit(swap_next)
                for frame, swapped in batch:
                    yield frame, *self._paste(frame, swapped)

    def state(self) -> dict[str, Any]:
        """What the frames after the last one depend on, as JSON has it."""
        return self._finish.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from there."""
        self._finish.restore(state)

    def _swap(self, batch: list[Frame]) -> list[tuple[Frame, _Swapped | None]]:
        """Crops of a batch through the generator; None where there is no face."""
        seen = [frame for frame in batch if frame.index in self._where]
        aligned = [
            faces.align(frame.image, *self._where[frame.index], masker=self._masker)
            for frame in seen
        ]
        if not aligned:
            return [(frame, None) for frame in batch]
        rgb, masks = self._swapper(
            np.stack([face.image for face in aligned]),
            np.stack([face.masks["face"] for face in aligned]),
            *self._light,
        )
        swapped = {
            face.frame_index: _Swapped(face, *drawn)
            for face, *drawn in zip(aligned, rgb, masks, strict=True)
        }
        return [(frame, swapped.get(frame.index)) for frame in batch]

    def _paste(self, frame: Frame, swapped: _Swapped | None) -> tuple[np.ndarray, np.ndarray]:
        alpha = np.zeros(frame.image.shape[:2], np.float32)
        if swapped is None:
            return frame.image, alpha
        patch = self._finish(swapped, frame.image)
        alpha[patch.place] = patch.alpha
        return blend.composite(frame.image, patch, self._edge), alpha


class _Finish:
    """Colour and sharpness of the swapped face, steadied over time within one track."""

    _TIME_CONSTANT_S = 0.4

    def __init__(self, method: colour.Method, sharpen: bool):
        self._method, self._sharpen = method, sharpen
        self._colour = colour.SteadyColour()
        self._amount: float | None = None
        self._track: int | None = None
        self._timestamp_us = 0

    def __call__(self, swapped: _Swapped, frame: np.ndarray) -> blend.Patch:
        """What is to be laid into the frame, `[height, width, 3]` uint8."""
        face = swapped.face
        if face.track_id != self._track:
            self._colour.reset()
            self._amount, self._track = None, face.track_id
        scene = face.image.astype(np.float32) / 255
        alpha = blend.alpha_of(face.masks["face"], swapped.mask)
        crop = blend.enlarge(swapped.rgb, face.image.shape[0])
        transfer = colour.fit(self._method, crop, scene, alpha)
        crop = colour.apply(self._colour(transfer, face.timestamp_us), crop)
        patch = blend.lay(crop, alpha, face.transform, frame)
        if self._sharpen:
            amount = self._steady(blend.sharpening_of(patch, frame), face.timestamp_us)
            patch = blend.sharpen(patch, amount)
        self._timestamp_us = face.timestamp_us
        return patch

    def state(self) -> dict[str, Any]:
        """What the frames after the last one depend on, as JSON has it."""
        return {
            "colour": self._colour.state(),
            "amount": self._amount,
            "track": self._track,
            "timestamp_us": self._timestamp_us,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from there."""
        self._colour.restore(state["colour"])
        self._amount, self._track = state["amount"], state["track"]
        self._timestamp_us = state["timestamp_us"]

    def _steady(self, amount: float, timestamp_us: int) -> float:
        if self._amount is not None:
            elapsed = (timestamp_us - self._timestamp_us) * 1e-6
            share = 1 - np.exp(-elapsed / self._TIME_CONSTANT_S)
            amount = self._amount + share * (amount - self._amount)
        self._amount = float(amount)
        return self._amount


def clip_colour(
    source: pathlib.Path, tracks: tuple[Track, ...], span: video.Span, masker: Masker
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of the colour of the face in this very clip (its own light)."""
    total = sum(len(track.faces) for track in tracks)
    every = max(1, total // _COLOUR_SAMPLES)
    sampled = tuple(
        dataclasses.replace(t, faces=t.faces[::every], transforms=t.transforms[::every])
        for t in tracks
    )
    aligned = faces.aligned_faces(source, sampled, span, masker=masker)
    pixels = np.concatenate([_face_pixels(face) for face in aligned])
    return pixels.mean(0), pixels.std(0) + 1e-3


def _face_pixels(face: AlignedFace) -> np.ndarray:
    return face.image[face.masks["face"][..., 0] > 0].astype(np.float32) / 255
