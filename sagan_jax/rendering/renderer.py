"""Pictures of a target to pictures with the other face: crop, generator, finish, paste.

Any number of faces of a picture are replaced, each with the colours of its own scene. Decoding,
cropping, drawing and finishing each have threads of their own, a few pictures ahead.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from data_prep.imaging.boxes import mesh_box
from data_prep.media.coded_frame import CodedFrame
from data_prep.pipeline import faces
from data_prep.records import AlignedFace, Face, Person, Track
from data_prep.runtime.prefetch import fetch, map_ahead
from data_prep.segmentation.face_masks import Masker
from sagan_jax.inputs.generator_input import make_guides
from sagan_jax.inputs.retargeting import retargeted
from sagan_jax.rendering import blending
from sagan_jax.rendering.harmonisation import GeneratedFace, Harmoniser, RenderSettings
from sagan_jax.rendering.swapper import Swapper

BATCH = 16
_COLOUR_SAMPLES = 64
_DECODED_AHEAD = 4
_FINISHED_AHEAD = 2

# Gives the pictures whose index is wanted.
ReadFrames = Callable[[Callable[[int], bool]], Iterable[CodedFrame]]


class Light(NamedTuple):
    """The colours of one person's face in one clip, which depend on its light.

    Attributes:
      mean: `[3]` float32 in 0..1.
      std: `[3]` float32, their spread.
    """

    mean: np.ndarray
    std: np.ndarray


class Rendered(NamedTuple):
    """A picture and what became of it.

    Attributes:
      target: as it was.
      result: with the new faces.
      alpha: `[height, width]` float32 in 0..1, where they are.
      state: what the pictures after it depend on, as JSON has it.
    """

    target: CodedFrame
    result: CodedFrame
    alpha: np.ndarray
    state: dict[str, Any]


class _Place(NamedTuple):
    """A face that is replaced: which of a track, and how much of the new one is shown, 0..1."""

    track: Track
    position: int
    share: float


class Cropped(NamedTuple):
    """A face of a picture; see `Drawn`."""

    face: AlignedFace
    share: float


class Renderer:
    """Pictures to swapped pictures, in order of time.

    Args:
      swapper: the trained generator.
      tracks: the faces that are replaced; parts of one track have its number.
      lights: of the person of each track, by its number (see `lights_of`).
      masker: makes the masks of the target.
      shots: index of the first picture of each shot, and the one after the last picture: where
        a face is lost or found there, it does not fade.
      look: how a swapped face is made part of its scene.
      nearer: meshes of faces that cover a part of one, by its track and frame.
    """

    def __init__(
        self,
        swapper: Swapper,
        tracks: Sequence[Track],
        lights: Mapping[int, Light],
        masker: Masker,
        shots: Collection[int],
        look: RenderSettings = RenderSettings(),
        nearer: Mapping[tuple[int, int], Sequence[np.ndarray]] = MappingProxyType({}),
    ):
        self._swapper, self._masker, self._lights, self._look = swapper, masker, lights, look
        self._nearer = nearer
        self._where: dict[int, list[_Place]] = {}
        self._last: dict[int, int] = {}
        for track in tracks:
            shares = _shares(track, shots, look.fade_s).tolist()
            for position, (face, share) in enumerate(zip(track.faces, shares, strict=True)):
                place = _Place(track, position, share)
                self._where.setdefault(face.frame_index, []).append(place)
                self._last[track.track_id] = face.frame_index
        for found in self._where.values():
            # The larger face is the nearer one: it lies on top.
            found.sort(key=lambda one: _size(one.track.faces[one.position]))
        self._finish: dict[int, Harmoniser] = {}

    def __call__(self, pictures: Iterable[CodedFrame]) -> Iterator[Rendered]:
        """Each picture with what became of it."""
        cropped = map_ahead(self.crop, fetch(iter(pictures), _DECODED_AHEAD))
        batches = iter(lambda: list(itertools.islice(cropped, BATCH)), [])
        drawn = fetch(map(self.draw, batches), 1)
        finished = (self.paste(*one) for batch in drawn for one in batch)
        return fetch(finished, _FINISHED_AHEAD)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on after the picture with that state."""
        for number, finish in state.items():
            self._harmoniser_of(int(number)).restore(finish)

    def crop(self, picture: CodedFrame) -> tuple[CodedFrame, list[Cropped]]:
        """A picture and its faces that are replaced; can be called in any number of threads."""
        found = self._where.get(picture.index, [])
        return picture, [Cropped(self._aligned(picture, one), one.share) for one in found]

    def draw(
        self, batch: list[tuple[CodedFrame, list[Cropped]]]
    ) -> list[tuple[CodedFrame, list[GeneratedFace]]]:
        """The faces of a batch through the generator."""
        every = [one for _, found in batch for one in found]
        if not every:
            return [(picture, []) for picture, _ in batch]
        means, stds = zip(*(self._lights[one.face.track_id] for one in every), strict=True)
        crops = np.stack([one.face.image for one in every])
        to = np.stack([self._guides(one.face) for one in every])
        rgb, masks = self._swapper(
            crops, to, np.stack(means), np.stack(stds), self._look.exaggeration
        )
        drawn = iter([GeneratedFace(*one, *of) for one, *of in zip(every, rgb, masks, strict=True)])
        return [(picture, list(itertools.islice(drawn, len(found)))) for picture, found in batch]

    def paste(self, picture: CodedFrame, drawn: list[GeneratedFace]) -> Rendered:
        """The faces finished and laid into the picture; to be called in order of time."""
        result, alpha = picture.copy(), np.zeros(picture.shape[:2], np.float32)
        for one in drawn:
            number = one.face.track_id
            layers = self._harmoniser_of(number)(one, result)
            for index, layer in enumerate(layers):
                most = 2**picture.coding.bits - 1
                result.put(index, layer.place, blending.blend(layer, self._look.blend, most))
            below = alpha[layers[0].place]
            below += layers[0].alpha * (1 - below)
            if self._last[number] == picture.index:
                del self._finish[number]
        state = {str(number): finish.state() for number, finish in self._finish.items()}
        return Rendered(picture, result, alpha, state)

    def _guides(self, face: AlignedFace) -> np.ndarray:
        return make_guides(face.masks, retargeted(face.landmarks, self._swapper.places))

    def _aligned(self, picture: CodedFrame, one: _Place) -> AlignedFace:
        nearer = self._nearer.get((one.track.track_id, picture.index), ())
        return faces.align(picture, one.track, one.position, masker=self._masker, nearer=nearer)

    def _harmoniser_of(self, number: int) -> Harmoniser:
        swapper = self._swapper
        return self._finish.setdefault(
            number, Harmoniser(self._look, swapper.crop_window, swapper.places)
        )


def lights_of(read: ReadFrames, people: Sequence[Person], masker: Masker) -> dict[int, Light]:
    """The light of each person in this very clip, by the numbers of the person's tracks.

    Args:
      read: gives pictures of the clip.
      people: who are to be replaced.
      masker: makes the masks of their faces.
    """
    sampled: dict[int, list[tuple[Track, int]]] = {}
    for person in people:
        every = max(1, person.frames // _COLOUR_SAMPLES)
        for track in person.tracks:
            for position in range(0, len(track.faces), every):
                index = track.faces[position].frame_index
                sampled.setdefault(index, []).append((track, position))

    def look(picture: CodedFrame) -> list[tuple[int, np.ndarray]]:
        seen = [faces.align(picture, *one, masker=masker) for one in sampled[picture.index]]
        return [(face.track_id, _face_pixels(face)) for face in seen]

    pixels: dict[int, list[np.ndarray]] = {}
    for seen in map_ahead(look, fetch(iter(read(sampled.__contains__)), _DECODED_AHEAD)):
        for number, some in seen:
            pixels.setdefault(number, []).append(some)
    lights = dict[int, Light]()
    for person in people:
        numbers = [track.track_id for track in person.tracks]
        of_person = np.concatenate([some for n in numbers for some in pixels.get(n, [])])
        lights |= dict.fromkeys(numbers, Light(of_person.mean(0), of_person.std(0) + 1e-3))
    return lights


def _shares(track: Track, shots: Collection[int], fade_s: float) -> np.ndarray:
    """How much is shown of each face of a track, `[len(faces)]`: where it is lost, it fades."""
    times = np.array([face.timestamp_us for face in track.faces]) * 1e-6
    numbers = np.array([face.frame_index for face in track.faces])
    shares, steps = np.ones(len(times)), np.diff(numbers)
    if not fade_s:
        return shares
    # Where it is hidden for long, a track has no faces.
    hidden = np.flatnonzero(steps > steps.min(initial=numbers[-1])) + 1
    for start, stop in itertools.pairwise([0, *hidden.tolist(), len(times)]):
        seen = times[start:stop]
        step = max(float(np.ptp(seen)) / max(len(seen) - 1, 1), 0.1 * fade_s)
        if start or numbers[0] not in shots:
            shares[start:stop] = np.minimum(shares[start:stop], (seen - seen[0] + step) / fade_s)
        if stop < len(times) or numbers[-1] + 1 not in shots:
            shares[start:stop] = np.minimum(shares[start:stop], (seen[-1] - seen + step) / fade_s)
    return shares


def _size(face: Face) -> float:
    left, top, right, bottom = mesh_box(face.landmarks)
    return float((right - left) * (bottom - top))


def _face_pixels(face: AlignedFace) -> np.ndarray:
    return face.image[face.masks["face"][..., 0] > 0].astype(np.float32) / 255
