"""Selects the faces of a video that are replaced, track by track, by whose face it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from absl import logging

from data_prep.errors import InputError
from data_prep.identity import people
from data_prep.imaging.boxes import mesh_box, overlap
from data_prep.pipeline import faces
from data_prep.pipeline.faces import Analysis
from data_prep.pipeline.settings import FaceSettings
from data_prep.records import Face, Person, Track
from sagan_jax.conversion.convert_settings import PeopleToReplace, PersonChoice

# Where the boxes of two faces overlap more than this, one face may be behind the other.
_MAX_OVERLAP = 0.02

# Meshes `[478, 2]` of the faces that cover part of a face, by its `track_id` and `frame_index`.
_Occluders = dict[tuple[int, int], list[np.ndarray]]


@dataclasses.dataclass(frozen=True)
class FoundPerson:
    """A person found in a video.

    Attributes:
      frames: number of frames that show the person.
      replaced: whether the face is replaced.
      distance: distance from the person looked for, 0 to 2; at most 0.6 is one person. None if
        nobody in particular is looked for.
    """

    frames: int
    replaced: bool
    distance: float | None


@dataclasses.dataclass(frozen=True)
class FaceSelection:
    """The faces of a video that are replaced, and the reasons why others are not.

    Attributes:
      people: people who are replaced.
      tracks: their faces, except those behind another face; parts of one track share its number.
      occluders: meshes `[478, 2]` of the faces that cover part of a face, by number of its track
        and index of the frame.
      reasons: by index of a frame, the reason why a face in it is left as it is.
      found: everybody in the video.
    """

    people: tuple[Person, ...]
    tracks: tuple[Track, ...]
    occluders: _Occluders
    reasons: dict[int, str]
    found: tuple[FoundPerson, ...]

    def reason_kept(self, frame_index: int) -> str:
        """Returns why a frame was left as it was."""
        return self.reasons.get(frame_index, "no face found")


def select_faces(
    analysis: Analysis, wanted: PeopleToReplace, trained_on: np.ndarray, settings: FaceSettings
) -> FaceSelection:
    """Decides for every face of a video whether it is replaced.

    Args:
      analysis: analysis of the video.
      wanted: people whose faces are replaced.
      trained_on: `[K, EMBEDDING_SIZE]`, embeddings of the replaced identity; K is 0 if its data
        set does not have them.
      settings: how the face of a reference is found.

    Raises:
      InputError: if the video does not show the person.
    """
    known = _known_embeddings(wanted, trained_on, settings)
    chosen = _choose(analysis, wanted.who, known)
    occluders = _find_occluders(analysis, chosen)
    visible = [
        part
        for person in chosen
        for track in person.tracks
        for part in _visible_parts(track, occluders)
    ]
    return FaceSelection(
        people=chosen,
        tracks=tuple(visible),
        occluders=occluders,
        reasons=_reasons(analysis, chosen),
        found=_found_people(analysis, chosen, known),
    )


def _known_embeddings(
    wanted: PeopleToReplace, trained_on: np.ndarray, settings: FaceSettings
) -> np.ndarray:
    """Embeddings `[K, EMBEDDING_SIZE]` of the person looked for; K is 0 if there is none."""
    if wanted.reference:
        return faces.embedding_of(wanted.reference, settings)[None]
    return trained_on if wanted.who is PersonChoice.TARGET else trained_on[:0]


def _choose(analysis: Analysis, who: PersonChoice, known: np.ndarray) -> tuple[Person, ...]:
    """Returns the people who are replaced."""
    if who is PersonChoice.ALL:
        return analysis.people
    if not len(known):
        if who is PersonChoice.TARGET:
            logging.warning(
                "The model does not say what the person to be replaced looks like; replacing the "
                "most prominent person. An image of the person would show whom to replace."
            )
        return (people.select_person(analysis.people),)
    try:
        return people.matching_people(analysis.people, known)
    except InputError as error:
        if who is PersonChoice.REFERENCE:
            raise
        # The advice after the semicolon is about an image that was not given here.
        fault = str(error).split(";")[0]
        raise InputError(
            f"{fault}; the reference is the person the model was trained on: give a video of that "
            "person, or choose the largest face, all faces or those of a reference image",
            setting="who",
        ) from error


def _found_people(
    analysis: Analysis, chosen: Sequence[Person], known: np.ndarray
) -> tuple[FoundPerson, ...]:
    """Describes everybody in the video."""
    distances: list[float | None] = [None] * len(analysis.people)
    if len(known):
        distances = people.distances(analysis.people, known).tolist()
    return tuple(
        FoundPerson(person.frames, _contains(chosen, person), distance)
        for person, distance in zip(analysis.people, distances, strict=True)
    )


def _reasons(analysis: Analysis, chosen: Sequence[Person]) -> dict[int, str]:
    """Reasons why a face is left as it is, by index of the frame."""
    reasons: dict[int, str] = {}
    for one in analysis.left_out:
        reasons |= dict.fromkeys(_frames(one.track), one.reason)
    # Chosen people come last: the reason of their own face counts more than that of another one.
    for person in sorted(analysis.people, key=lambda person: _contains(chosen, person)):
        for track in person.tracks:
            frames = _frames(track)
            if _contains(chosen, person):
                # A track has no faces where its face is hidden for long.
                covered = range(min(frames), max(frames) + 1)
                reasons |= dict.fromkeys(covered, "the face is hidden")
            else:
                reasons |= dict.fromkeys(frames, "another person")
    return reasons


def _contains(several: Sequence[Person], person: Person) -> bool:
    # People hold arrays, which `in` cannot compare.
    return any(one is person for one in several)


def _frames(track: Track) -> list[int]:
    return [face.frame_index for face in track.faces]


class _OverlappingFaces(NamedTuple):
    """Two faces of a frame whose boxes overlap."""

    face: Face
    other: Face


# Overlapping faces of two tracks in successive faces of the first track.
_Encounter = list[_OverlappingFaces]


def _find_occluders(analysis: Analysis, chosen: Sequence[Person]) -> _Occluders:
    """Finds the faces that cover part of a chosen person's face."""
    occluders: _Occluders = {}
    for person in chosen:
        for track in person.tracks:
            for other in analysis.tracks:
                if other is track:
                    continue
                for encounter in _encounters(track, other):
                    if _is_farther(encounter, track, other):
                        _add_occluders(occluders, track, encounter)
    return occluders


def _add_occluders(occluders: _Occluders, track: Track, encounter: _Encounter) -> None:
    for face, other in encounter:
        occluders.setdefault((track.track_id, face.frame_index), []).append(other.landmarks)


def _encounters(track: Track, other: Track) -> Iterator[_Encounter]:
    """Yields the stretches of time over which the faces of two tracks overlap."""
    others = {face.frame_index: face for face in other.faces}
    encounter: _Encounter = []
    for face in track.faces:
        other_face = others.get(face.frame_index)
        if other_face is not None and _do_overlap(face, other_face):
            encounter.append(_OverlappingFaces(face, other_face))
        elif encounter:
            yield encounter
            encounter = []
    if encounter:
        yield encounter


def _do_overlap(face: Face, other: Face) -> bool:
    return overlap(mesh_box(face.landmarks), mesh_box(other.landmarks)) > _MAX_OVERLAP


def _is_farther(encounter: _Encounter, track: Track, other: Track) -> bool:
    """Whether the face of `track` is behind that of `other` in an encounter.

    It is if it alone is lost or found during the encounter; if both are or neither is, the face
    with the lower presence is behind.
    """
    frames = {pair.face.frame_index for pair in encounter}
    is_cut, other_is_cut = _ends_within(track, frames), _ends_within(other, frames)
    if is_cut != other_is_cut:
        return is_cut
    presence = sum(pair.face.presence for pair in encounter)
    return bool(presence < sum(pair.other.presence for pair in encounter))


def _ends_within(track: Track, frames: set[int]) -> bool:
    """Whether the first or the last face of a track is in one of the frames."""
    ends = {track.faces[0].frame_index, track.faces[-1].frame_index}
    return not frames.isdisjoint(ends)


def _visible_parts(track: Track, occluders: _Occluders) -> Iterator[Track]:
    """Yields the parts of a track in which the face is seen, or nothing is known to cover it."""
    hidden = [
        face.presence == 0 and (track.track_id, face.frame_index) in occluders
        for face in track.faces
    ]
    # The padding makes an edge at both ends, so that edges are pairs of start and stop.
    edges = np.flatnonzero(np.diff([True, *hidden, True])).reshape(-1, 2)
    for start, stop in edges.tolist():
        yield people.slice_track(track, start, stop)
