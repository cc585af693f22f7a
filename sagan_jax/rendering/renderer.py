"""Frames of a target to frames with the other face: crop, generate, harmonise, composite.

Any number of faces in a frame are replaced, each with the colours of its own scene. Decoding,
cropping, generating and compositing have threads of their own, a few frames ahead.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from data_prep.imaging.boxes import mesh_box
from data_prep.json_records import JsonObject
from data_prep.media.coded_frame import CodedFrame
from data_prep.pipeline import faces
from data_prep.records import AlignedFace, Face, Person, Track
from data_prep.runtime.prefetch import fetch, map_ahead
from data_prep.segmentation.face_masks import Masker
from sagan_jax.inputs.generator_input import make_guides
from sagan_jax.inputs.retargeting import retarget
from sagan_jax.rendering import blending
from sagan_jax.rendering.harmonisation import GeneratedFace, Harmoniser
from sagan_jax.rendering.render_settings import RenderSettings
from sagan_jax.rendering.swapper import BATCH, Swapper

_COLOUR_SAMPLES = 64
_DECODED_AHEAD = 4
_COMPOSITED_AHEAD = 2

# Reads the frames for whose index a predicate holds.
ReadFrames = Callable[[Callable[[int], bool]], Iterable[CodedFrame]]


class ColourStats(NamedTuple):
    """Colours of one person's face in one clip, which depend on the light there.

    Attributes:
      mean: `[3]` float32 in 0..1, mean colour.
      std: `[3]` float32, standard deviation of each channel.
    """

    mean: np.ndarray
    std: np.ndarray


class RenderedFrame(NamedTuple):
    """A frame before and after the swap.

    Attributes:
      target: frame of the target.
      result: frame with the new faces.
      alpha: `[height, width]` float32 in 0..1, opacity of the new faces.
      state: state that the following frames depend on, serialisable as JSON.
    """

    target: CodedFrame
    result: CodedFrame
    alpha: np.ndarray
    state: JsonObject


class _FaceToReplace(NamedTuple):
    """A face by its position in a track, and the opacity of its replacement, 0..1."""

    track: Track
    position: int
    share: float


class CroppedFace(NamedTuple):
    """An aligned face of the target, and the opacity of its replacement, 0..1."""

    face: AlignedFace
    share: float


class Renderer:
    """Turns frames of a target into swapped frames, in order of time.

    Args:
      swapper: the trained generator.
      tracks: tracks of the faces to replace; parts of one track share its `track_id`.
      face_colours: colours of each track's person, by `track_id` (see `measure_face_colours`).
      masker: makes the masks of the target.
      shots: index of the first frame of each shot, and the index after the last frame: a face that
        is lost or found at one of them does not fade.
      settings: how a swapped face is rendered and made part of its scene.
      occluders: meshes `[478, 2]` of faces that cover part of a face, by its track and frame.
    """

    def __init__(
        self,
        swapper: Swapper,
        tracks: Sequence[Track],
        face_colours: Mapping[int, ColourStats],
        masker: Masker,
        shots: Collection[int],
        settings: RenderSettings = RenderSettings(),
        occluders: Mapping[tuple[int, int], Sequence[np.ndarray]] = MappingProxyType({}),
    ):
        self._swapper, self._masker, self._settings = swapper, masker, settings
        self._face_colours, self._occluders = face_colours, occluders
        self._by_frame: dict[int, list[_FaceToReplace]] = {}
        self._last_frame: dict[int, int] = {}
        for track in tracks:
            shares = _fading(track, shots, settings.fade_s).tolist()
            for position, (face, share) in enumerate(zip(track.faces, shares, strict=True)):
                replaced = _FaceToReplace(track, position, share)
                self._by_frame.setdefault(face.frame_index, []).append(replaced)
                self._last_frame[track.track_id] = face.frame_index
        for found in self._by_frame.values():
            # Faces are composited in this order; the larger one is nearer and lies on top.
            found.sort(key=lambda replaced: _box_area(replaced.track.faces[replaced.position]))
        self._harmonisers: dict[int, Harmoniser] = {}

    def __call__(self, frames: Iterable[CodedFrame]) -> Iterator[RenderedFrame]:
        """Yields each frame with its swapped counterpart."""
        # Each stage runs ahead of the next one, so that threads and device are busy together.
        cropped = map_ahead(self.crop, fetch(iter(frames), _DECODED_AHEAD))
        batches = iter(lambda: list(itertools.islice(cropped, BATCH)), [])
        generated = fetch(map(self.generate, batches), 1)
        composited = (
            self.composite(frame, generated_faces)
            for batch in generated
            for frame, generated_faces in batch
        )
        return fetch(composited, _COMPOSITED_AHEAD)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continues after the frame with this state."""
        for track_id, harmoniser_state in state.items():
            self._harmoniser(int(track_id)).restore(harmoniser_state)

    def crop(self, frame: CodedFrame) -> tuple[CodedFrame, list[CroppedFace]]:
        """Crops the faces of a frame that are replaced; thread-safe."""
        found = self._by_frame.get(frame.index, [])
        return frame, [CroppedFace(self._align(frame, one), one.share) for one in found]

    def generate(
        self, batch: list[tuple[CodedFrame, list[CroppedFace]]]
    ) -> list[tuple[CodedFrame, list[GeneratedFace]]]:
        """Generates the new faces of a batch of frames."""
        cropped = [face for _, found in batch for face in found]
        if not cropped:
            return [(frame, []) for frame, _ in batch]
        colours = [self._face_colours[one.face.track_id] for one in cropped]
        means, stds = zip(*colours, strict=True)
        crops = np.stack([one.face.image for one in cropped])
        guides = np.stack([self._guides(one.face) for one in cropped])
        rgb, masks = self._swapper(
            crops, guides, np.stack(means), np.stack(stds), self._settings.exaggeration
        )
        generated = iter(
            [
                GeneratedFace(one.face, one.share, image, mask)
                for one, image, mask in zip(cropped, rgb, masks, strict=True)
            ]
        )
        return [(frame, list(itertools.islice(generated, len(found)))) for frame, found in batch]

    def composite(self, frame: CodedFrame, generated: list[GeneratedFace]) -> RenderedFrame:
        """Harmonises the faces and blends them into a copy of the frame.

        Has to be called in order of time.
        """
        result, alpha = frame.copy(), np.zeros(frame.shape[:2], np.float32)
        max_level = 2**frame.coding.bits - 1
        for one in generated:
            track_id = one.face.track_id
            layers = self._harmoniser(track_id)(one, result)
            for index, layer in enumerate(layers):
                blended = blending.blend(layer, self._settings.blend, max_level)
                result.set_levels(index, layer.place, blended)
            # Opacities of faces that overlap add up as in "over" compositing.
            below = alpha[layers[0].place]
            below += layers[0].alpha * (1 - below)
            # A finished track's filters would only make the state larger.
            if self._last_frame[track_id] == frame.index:
                del self._harmonisers[track_id]
        state = {str(track_id): one.state() for track_id, one in self._harmonisers.items()}
        return RenderedFrame(frame, result, alpha, state)

    def _guides(self, face: AlignedFace) -> np.ndarray:
        return make_guides(face.masks, retarget(face.landmarks, self._swapper.places))

    def _align(self, frame: CodedFrame, one: _FaceToReplace) -> AlignedFace:
        nearer = self._occluders.get((one.track.track_id, frame.index), ())
        return faces.align(frame, one.track, one.position, masker=self._masker, nearer=nearer)

    def _harmoniser(self, track_id: int) -> Harmoniser:
        """Harmoniser of one track, made at its first face."""
        swapper = self._swapper
        return self._harmonisers.setdefault(
            track_id, Harmoniser(self._settings, swapper.crop_window, swapper.places)
        )


def measure_face_colours(
    read: ReadFrames, people: Sequence[Person], masker: Masker
) -> dict[int, ColourStats]:
    """Measures the colours of each person's face in this very clip.

    Args:
      read: reads frames of the clip.
      people: people to be replaced.
      masker: makes the masks of their faces.

    Returns:
      Colours by `track_id` of the person's tracks; all tracks of a person share them.
    """
    sampled = _spread_faces(people)

    def face_pixels(frame: CodedFrame) -> list[tuple[int, np.ndarray]]:
        aligned = [faces.align(frame, *one, masker=masker) for one in sampled[frame.index]]
        return [(face.track_id, _pixels_in_mask(face)) for face in aligned]

    # Frames are decoded in one thread and aligned in several; only the pixels are kept.
    by_track: dict[int, list[np.ndarray]] = {}
    frames = fetch(iter(read(sampled.__contains__)), _DECODED_AHEAD)
    for found in map_ahead(face_pixels, frames):
        for track_id, pixels in found:
            by_track.setdefault(track_id, []).append(pixels)

    colours = dict[int, ColourStats]()
    for person in people:
        track_ids = [track.track_id for track in person.tracks]
        pixels = np.concatenate([part for i in track_ids for part in by_track.get(i, [])])
        # The offset keeps a flat face from dividing by zero.
        stats = ColourStats(pixels.mean(0), pixels.std(0) + 1e-3)
        colours |= dict.fromkeys(track_ids, stats)
    return colours


def _spread_faces(people: Sequence[Person]) -> dict[int, list[tuple[Track, int]]]:
    """About `_COLOUR_SAMPLES` faces of each person, spread over the clip.

    Returns:
      Track and position in the track of each face, by index of the frame.
    """
    sampled: dict[int, list[tuple[Track, int]]] = {}
    for person in people:
        step = max(1, person.frames // _COLOUR_SAMPLES)
        for track in person.tracks:
            for position in range(0, len(track.faces), step):
                index = track.faces[position].frame_index
                sampled.setdefault(index, []).append((track, position))
    return sampled


def _fading(track: Track, shots: Collection[int], fade_s: float) -> np.ndarray:
    """Opacity 0..1 of each face of a track, `[len(faces)]`: fades where the face is lost or found.

    Args:
      track: the track.
      shots: see `Renderer`; the face does not fade there.
      fade_s: duration of a fade, seconds.
    """
    times = np.array([face.timestamp_us for face in track.faces]) * 1e-6
    indices = np.array([face.frame_index for face in track.faces])
    shares, steps = np.ones(len(times)), np.diff(indices)
    if not fade_s:
        return shares
    # A track has no faces where its face is hidden for long: a wider step begins a new part.
    gaps = np.flatnonzero(steps > steps.min(initial=indices[-1])) + 1
    for start, stop in itertools.pairwise([0, *gaps.tolist(), len(times)]):
        part = times[start:stop]
        # One frame's duration is added, so that no face of the track has opacity 0.
        step = max(float(np.ptp(part)) / max(len(part) - 1, 1), 0.1 * fade_s)
        if start or indices[0] not in shots:
            shares[start:stop] = np.minimum(shares[start:stop], (part - part[0] + step) / fade_s)
        if stop < len(times) or indices[-1] + 1 not in shots:
            shares[start:stop] = np.minimum(shares[start:stop], (part[-1] - part + step) / fade_s)
    return shares


def _box_area(face: Face) -> float:
    left, top, right, bottom = mesh_box(face.landmarks)
    return float((right - left) * (bottom - top))


def _pixels_in_mask(face: AlignedFace) -> np.ndarray:
    """Colours `[N, 3]` float32 in 0..1 of the pixels of a face."""
    return face.image[face.masks["face"][..., 0] > 0].astype(np.float32) / 255
