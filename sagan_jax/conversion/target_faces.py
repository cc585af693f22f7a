"""Who in a video is replaced: decided for each track, by whose face it is."""

from __future__ import annotations

import dataclasses
import enum
import itertools
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from data_prep.errors import InputError
from data_prep.identity import people
from data_prep.imaging.boxes import mesh_box, overlap
from data_prep.pipeline import faces
from data_prep.pipeline.faces import Analysis, FaceSettings
from data_prep.records import Face, Person, Track

# Boxes of two faces that overlap more: one may be behind the other.
_MET = 0.02


class Who(enum.StrEnum):
    """Whose faces are replaced.

    TARGET: the person that the replaced identity was trained on. ALL: everybody. LARGEST: who
    is seen most, by frames and size of face. REFERENCE: who is shown by a picture or video.
    """

    TARGET = "target"
    ALL = "all"
    LARGEST = "largest"
    REFERENCE = "reference"


@dataclasses.dataclass(frozen=True)
class Wanted:
    """Whose faces are replaced.

    Attributes:
      who: whose.
      reference: picture or video of the person, with `Who.REFERENCE`.
    """

    who: Who = Who.TARGET
    reference: pathlib.Path | None = None

    @classmethod
    def parse(cls, text: str) -> Wanted:
        """What is said by `target`, `all`, `largest`, or `reference:FILE`.

        Raises:
          InputError: if it says something else.
        """
        name, _, path = text.partition(":")
        if name not in list(Who) or bool(path) != (name == Who.REFERENCE):
            raise InputError(
                f"--who={text}: is none of target, all, largest and reference:FILE, where FILE "
                "is a picture or video of the person to be replaced"
            )
        return cls(Who(name), pathlib.Path(path) if path else None)


@dataclasses.dataclass(frozen=True)
class FaceSelection:
    """Whose faces of a video are replaced, and why the others are not.

    Attributes:
      people: who are replaced.
      tracks: their faces, but for those behind another face; parts of one track have its number.
      nearer: by number of a track and index of a frame, the meshes `[478, 2]` of faces that
        cover a part of its face.
      kept: by index of a frame, why a face in it is left as it is.
      found: of everybody in the video in how many `frames`, whether `replaced`, and at what
        `distance` from the person looked for (at most 0.6 is one person; None for nobody).
    """

    people: tuple[Person, ...]
    tracks: tuple[Track, ...]
    nearer: dict[tuple[int, int], list[np.ndarray]]
    kept: dict[int, str]
    found: tuple[dict[str, Any], ...]

    def why_kept(self, frame_index: int) -> str:
        """Why a frame was left as it was."""
        return self.kept.get(frame_index, "no face found")


def select_faces(
    analysis: Analysis, wanted: Wanted, trained_on: np.ndarray, settings: FaceSettings
) -> FaceSelection:
    """Settles what is done with every face of a video.

    Args:
      analysis: of the video.
      wanted: whose faces are replaced.
      trained_on: `[K, EMBEDDING_SIZE]`, of the replaced identity; none where its data set does
        not say.
      settings: how the face of a reference is found.

    Raises:
      InputError: if the video does not show the person.
    """
    known = _known(wanted, trained_on, settings)
    chosen = _choose(analysis, wanted.who, known)
    away = (
        people.distances(analysis.people, known).tolist() if len(known) else itertools.repeat(None)
    )
    found = [
        {"frames": person.frames, "replaced": _is_in(chosen, person), "distance": distance}
        for person, distance in zip(analysis.people, away, strict=False)
    ]
    meetings = [
        meeting
        for person in chosen
        for track in person.tracks
        for other in analysis.tracks
        if other is not track
        for meeting in _meetings(track, other)
        if _is_farther(meeting, track, other)
    ]
    nearer: dict[tuple[int, int], list[np.ndarray]] = {}
    for meeting in meetings:
        for number, one, other in meeting:
            nearer.setdefault((number, one.frame_index), []).append(other.landmarks)
    shown = [part for person in chosen for t in person.tracks for part in _shown(t, nearer)]
    return FaceSelection(chosen, tuple(shown), nearer, _reasons(analysis, chosen), tuple(found))


def _known(wanted: Wanted, trained_on: np.ndarray, settings: FaceSettings) -> np.ndarray:
    """Embeddings of the person looked for, `[K, EMBEDDING_SIZE]`; none where nobody is."""
    if wanted.reference:
        return faces.embedding_of(wanted.reference, settings)[None]
    return trained_on if wanted.who is Who.TARGET else trained_on[:0]


def _choose(analysis: Analysis, who: Who, known: np.ndarray) -> tuple[Person, ...]:
    """Who are replaced."""
    if who is Who.ALL:
        return analysis.people
    if not len(known):
        if who is Who.TARGET:
            logging.warning(
                "The model does not say what the person to be replaced looks like; replacing who "
                "is seen most. --who=reference:FILE shows whom to replace."
            )
        return (people.choose(analysis.people),)
    try:
        return people.alike(analysis.people, known)
    except InputError as error:
        if who is Who.REFERENCE:
            raise
        raise InputError(
            f"{str(error).split(';')[0]}; the reference is who the model was trained on: give a "
            "video of that person, or --who=largest, all or reference:FILE"
        ) from error


def _reasons(analysis: Analysis, chosen: Sequence[Person]) -> dict[int, str]:
    """By index of a frame, why a face in it is left as it is, where that is so."""
    kept: dict[int, str] = {}
    for one in analysis.left_out:
        kept |= dict.fromkeys(_frames(one.track), one.reason)
    for person in sorted(analysis.people, key=lambda person: _is_in(chosen, person)):
        for track in person.tracks:
            frames = _frames(track)
            if _is_in(chosen, person):
                kept |= dict.fromkeys(range(min(frames), max(frames) + 1), "the face is hidden")
            else:
                kept |= dict.fromkeys(frames, "another person")
    return kept


def _is_in(several: Sequence[Person], person: Person) -> bool:
    return any(one is person for one in several)


def _frames(track: Track) -> list[int]:
    return [face.frame_index for face in track.faces]


class _Met(NamedTuple):
    """Two faces of a frame that are in each other's place.

    Attributes:
      number: of the track of the first.
      one: the first.
      other: the second.
    """

    number: int
    one: Face
    other: Face


def _meetings(track: Track, other: Track) -> Iterator[list[_Met]]:
    """The times at which the faces of two tracks are in each other's place."""
    theirs = {face.frame_index: face for face in other.faces}
    meeting: list[_Met] = []
    for face in track.faces:
        found = theirs.get(face.frame_index)
        if found is not None and _meet(face, found):
            meeting.append(_Met(track.track_id, face, found))
        elif meeting:
            yield meeting
            meeting = []
    if meeting:
        yield meeting


def _meet(one: Face, other: Face) -> bool:
    return overlap(mesh_box(one.landmarks), mesh_box(other.landmarks)) > _MET


def _is_farther(meeting: list[_Met], track: Track, other: Track) -> bool:
    """Whether the first is behind the second: it alone is lost or found there, or seen less."""
    frames = {met.one.frame_index for met in meeting}
    lost, other_lost = (
        not frames.isdisjoint({of.faces[0].frame_index, of.faces[-1].frame_index})
        for of in (track, other)
    )
    if lost != other_lost:
        return lost
    seen, other_seen = (
        sum(face.presence for face in several)
        for several in zip(*((met.one, met.other) for met in meeting), strict=True)
    )
    return bool(seen < other_seen)


def _shown(track: Track, nearer: dict[tuple[int, int], list[np.ndarray]]) -> Iterator[Track]:
    """The parts of a track in which its face is seen, or at least nothing is before it."""
    hidden = [
        face.presence == 0 and (track.track_id, face.frame_index) in nearer for face in track.faces
    ]
    edges = np.flatnonzero(np.diff([True, *hidden, True])).reshape(-1, 2)
    for start, stop in edges.tolist():
        yield people.part(track, start, stop)
