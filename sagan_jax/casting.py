"""Who in a video is replaced: decided for each track, by whose face it is."""

from __future__ import annotations

import dataclasses
import enum
import itertools
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from absl import logging

from data_prep import faces, people
from data_prep.errors import InputError
from data_prep.faces import Analysis, FaceSettings
from data_prep.records import Person, Track
from data_prep.sightings import mesh_box, overlap

# Boxes that overlap more: what was not seen of one face is behind the other.
_BEHIND = 0.05


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
class Casting:
    """Whose faces of a video are replaced, and why the others are not.

    Attributes:
      people: who are replaced.
      tracks: their faces, but for those behind another face; parts of one track have its number.
      kept: by index of a frame, why a face in it is left as it is.
      found: of everybody in the video in how many `frames`, whether `replaced`, and at what
        `distance` from the person looked for (at most 0.6 is one person; None for nobody).
    """

    people: tuple[Person, ...]
    tracks: tuple[Track, ...]
    kept: dict[int, str]
    found: tuple[dict[str, Any], ...]

    def why_kept(self, frame_index: int) -> str:
        """Why a frame was left as it was."""
        return self.kept.get(frame_index, "no face found")


def cast(
    analysis: Analysis, wanted: Wanted, trained_on: np.ndarray, settings: FaceSettings
) -> Casting:
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
    boxes = _boxes(analysis.tracks)
    parts = [p for person in chosen for track in person.tracks for p in _shown(track, boxes)]
    return Casting(chosen, tuple(parts), _reasons(analysis, chosen), tuple(found))


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
        reason = "the face is hidden" if _is_in(chosen, person) else "another person"
        for track in person.tracks:
            kept |= dict.fromkeys(_frames(track), reason)
    return kept


def _is_in(several: Sequence[Person], person: Person) -> bool:
    return any(one is person for one in several)


def _frames(track: Track) -> list[int]:
    return [face.frame_index for face in track.faces]


def _boxes(tracks: Sequence[Track]) -> dict[int, list[tuple[int, np.ndarray]]]:
    """By frame, the faces that are seen in it: number of the track, and box."""
    boxes: dict[int, list[tuple[int, np.ndarray]]] = {}
    for track in tracks:
        for face in track.faces:
            if face.presence > 0:
                found = boxes.setdefault(face.frame_index, [])
                found.append((track.track_id, mesh_box(face.landmarks)))
    return boxes


def _shown(track: Track, boxes: dict[int, list[tuple[int, np.ndarray]]]) -> Iterator[Track]:
    """The parts of a track in which its face is not behind another one."""
    behind = [_is_behind(track, position, boxes) for position in range(len(track.faces))]
    edges = np.flatnonzero(np.diff([True, *behind, True])).reshape(-1, 2)
    for start, stop in edges.tolist():
        yield people.part(track, start, stop)


def _is_behind(track: Track, position: int, boxes: dict[int, list[tuple[int, np.ndarray]]]) -> bool:
    """Whether a face was not seen, and another one is in its place."""
    face = track.faces[position]
    if face.presence > 0:
        return False
    box = mesh_box(face.landmarks)
    found = boxes.get(face.frame_index, [])
    return any(n != track.track_id and overlap(box, other) > _BEHIND for n, other in found)
