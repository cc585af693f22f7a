"""Frames of a target to frames with the other face: crop, generator, colour, blend.

Any number of faces of a frame are replaced, each with the colours of its own scene.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent import futures
from typing import Any, NamedTuple

import numpy as np

from data_prep import faces
from data_prep.masks import Masker
from data_prep.records import AlignedFace, Face, Frame, Person, Track
from data_prep.sightings import mesh_box
from sagan_jax import blend, colour
from sagan_jax.blend import Blend
from sagan_jax.swap import Swapper

BATCH = 16
_COLOUR_SAMPLES = 64


class Light(NamedTuple):
    """The colours of one person's face in one clip, which depend on its light.

    Attributes:
      mean: `[3]` float32 in 0..1.
      std: `[3]` float32, their spread.
    """

    mean: np.ndarray
    std: np.ndarray


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
      tracks: the faces that are replaced; parts of one track have its number.
      lights: of the person of each track, by its number (see `lights_of`).
      masker: makes the masks of the target.
      nearer: meshes of faces that cover a part of one, by its track and frame.
      method: how a face gets the colours of the scene.
      edge: how its edge is hidden.
      sharpen: whether it is made as crisp as the scene.
    """

    def __init__(
        self,
        swapper: Swapper,
        tracks: Sequence[Track],
        lights: Mapping[int, Light],
        masker: Masker,
        nearer: Mapping[tuple[int, int], Sequence[np.ndarray]],
        *,
        method: colour.Method,
        edge: Blend,
        sharpen: bool,
    ):
        self._swapper = swapper
        self._masker, self._nearer = masker, nearer
        self._lights = lights
        self._where: dict[int, list[tuple[Track, int]]] = {}
        self._last: dict[int, int] = {}
        for track in tracks:
            for position, face in enumerate(track.faces):
                self._where.setdefault(face.frame_index, []).append((track, position))
                self._last[track.track_id] = face.frame_index
        for found in self._where.values():
            # The larger face is the nearer one: it lies on top.
            found.sort(key=lambda one: _size(one[0].faces[one[1]]))
        self._edge = edge
        self._method, self._sharpen = method, sharpen
        self._finish: dict[int, _Finish] = {}

    def __call__(self, frames: Iterator[Frame]) -> Iterator[tuple[Frame, np.ndarray, np.ndarray]]:
        """Each frame with its swapped image and the `[height, width]` float32 alpha."""

        def swap_next() -> list[tuple[Frame, list[_Swapped]]]:
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
        return {str(number): finish.state() for number, finish in self._finish.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from there."""
        for number, finish in state.items():
            self._finish_of(int(number)).restore(finish)

    def _swap(self, batch: list[Frame]) -> list[tuple[Frame, list[_Swapped]]]:
        """The faces of a batch through the generator."""
        aligned = [
            [
                faces.align(
                    frame.image,
                    track,
                    position,
                    masker=self._masker,
                    nearer=self._nearer.get((track.track_id, frame.index), ()),
                )
                for track, position in self._where.get(frame.index, [])
            ]
            for frame in batch
        ]
        every = [face for found in aligned for face in found]
        if not every:
            return [(frame, []) for frame in batch]
        means, stds = zip(*(self._lights[face.track_id] for face in every), strict=True)
        crops = np.stack([face.image for face in every])
        rgb, masks = self._swapper(crops, np.stack(means), np.stack(stds))
        drawn = map(_Swapped, every, rgb, masks)
        return [
            (frame, list(itertools.islice(drawn, len(found))))
            for frame, found in zip(batch, aligned, strict=True)
        ]

    def _paste(self, frame: Frame, swapped: list[_Swapped]) -> tuple[np.ndarray, np.ndarray]:
        image, alpha = frame.image, np.zeros(frame.image.shape[:2], np.float32)
        for one in swapped:
            number = one.face.track_id
            patch = self._finish_of(number)(one, frame.image)
            image = blend.composite(image, patch, self._edge)
            alpha[patch.place] += patch.alpha * (1 - alpha[patch.place])
            if self._last[number] == frame.index:
                del self._finish[number]
        return image, alpha

    def _finish_of(self, number: int) -> _Finish:
        return self._finish.setdefault(number, _Finish(self._method, self._sharpen))


class _Finish:
    """Colour and sharpness of the swapped faces of one track, steadied over time."""

    _TIME_CONSTANT_S = 0.4

    def __init__(self, method: colour.Method, sharpen: bool):
        self._method, self._sharpen = method, sharpen
        self._colour = colour.SteadyColour()
        self._amount: float | None = None
        self._timestamp_us = 0

    def __call__(self, swapped: _Swapped, frame: np.ndarray) -> blend.Patch:
        """What is to be laid into the frame, `[height, width, 3]` uint8."""
        face = swapped.face
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
            "timestamp_us": self._timestamp_us,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from there."""
        self._colour.restore(state["colour"])
        self._amount, self._timestamp_us = state["amount"], state["timestamp_us"]

    def _steady(self, amount: float, timestamp_us: int) -> float:
        if self._amount is not None:
            elapsed = (timestamp_us - self._timestamp_us) * 1e-6
            share = 1 - np.exp(-elapsed / self._TIME_CONSTANT_S)
            amount = self._amount + share * (amount - self._amount)
        self._amount = float(amount)
        return self._amount


def lights_of(
    frames: Iterable[Frame], people: Sequence[Person], masker: Masker
) -> dict[int, Light]:
    """The light of each person in this very clip, by the numbers of the person's tracks.

    Args:
      frames: of the clip.
      people: who are to be replaced.
      masker: makes the masks of their faces.
    """
    sampled = [_sample(track, person) for person in people for track in person.tracks]
    pixels: dict[int, list[np.ndarray]] = {}
    for face in faces.crops(frames, sampled, masker=masker):
        pixels.setdefault(face.track_id, []).append(_face_pixels(face))
    lights: dict[int, Light] = {}
    for person in people:
        numbers = [track.track_id for track in person.tracks]
        of_person = np.concatenate([some for n in numbers for some in pixels.get(n, [])])
        lights |= dict.fromkeys(numbers, Light(of_person.mean(0), of_person.std(0) + 1e-3))
    return lights


def _sample(track: Track, person: Person) -> Track:
    """Some faces of a track, so that they are about `_COLOUR_SAMPLES` of the person."""
    every = max(1, person.frames // _COLOUR_SAMPLES)
    return dataclasses.replace(
        track, faces=track.faces[::every], transforms=track.transforms[::every]
    )


def _size(face: Face) -> float:
    left, top, right, bottom = mesh_box(face.landmarks)
    return float((right - left) * (bottom - top))


def _face_pixels(face: AlignedFace) -> np.ndarray:
    return face.image[face.masks["face"][..., 0] > 0].astype(np.float32) / 255
