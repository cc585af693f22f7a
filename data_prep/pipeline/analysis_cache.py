"""Keeps the analysis of a video in a file, so that a resumed job need not analyse it again.

The file is one NumPy archive. The faces of all tracks lie in columns, so that an hour of video is
a few arrays and not millions of them.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import zipfile
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypedDict

import numpy as np

from data_prep.errors import InputError
from data_prep.identity.people import LeftOut
from data_prep.pipeline.faces import Analysis
from data_prep.records import Detection, Face, Person, Track
from data_prep.runtime.files import write_atomically

# The detection of a face has columns of its own.
_FACE_FIELDS = tuple(field.name for field in dataclasses.fields(Face) if field.name != "detection")
_DETECTION_FIELDS = tuple(field.name for field in dataclasses.fields(Detection))

_Columns = dict[str, np.ndarray]


class _Facts(TypedDict):
    """The part of an analysis that is stored as JSON.

    Attributes:
      key: identifies everything the analysis depends on.
      people: positions in `tracks` of the tracks of each person.
      left_out: position in `tracks` and reason of each track that was left out.
      tracks: number, count of faces and count of embeddings of each track.
      frames: see `Analysis`, which has this and all following fields.
    """

    key: str
    people: list[list[int]]
    left_out: list[tuple[int, str]]
    tracks: list[tuple[int, int, int]]
    frames: int
    first_frame: int
    cuts: Sequence[int]
    changes: Sequence[int]
    detected: int


def load_or_make(path: pathlib.Path, key: str, make: Callable[[], Analysis]) -> Analysis:
    """Returns the analysis in a file or, if the file has none with this key, makes and saves it.

    Args:
      path: path of the file; its folder is made. An analysis that cannot be written is not kept.
      key: identifies everything the analysis depends on.
      make: analyses the video.
    """
    analysis = load(path, key)
    if analysis is None:
        analysis = make()
        try:
            save(path, key, analysis)
        except (OSError, InputError):
            # It would only have saved time: no reason to fail.
            path.unlink(missing_ok=True)
    return analysis


def save(path: pathlib.Path, key: str, analysis: Analysis) -> None:
    """Writes an analysis atomically; makes its folder.

    Raises:
      OSError: if there is no room for the file, or no parent of its folder.
      InputError: if the folder is not writable.
    """
    tracks = analysis.tracks
    # `Any` and not an array, because `np.savez` also has a keyword of type bool.
    columns: dict[str, Any] = {
        "facts": np.array(json.dumps(_facts(key, analysis))),
        **_track_columns(tracks),
        "people": np.stack([person.embedding for person in analysis.people]),
        **_thumbnail_columns("track_picture", (track.thumbnail for track in tracks)),
        **_thumbnail_columns("person_picture", (person.thumbnail for person in analysis.people)),
    }
    path.parent.mkdir(exist_ok=True)
    # A file handle, because `np.savez` may append a suffix to a path.
    with write_atomically(path) as aside, aside.open("wb") as file:
        np.savez(file, **columns)


def load(path: pathlib.Path, key: str) -> Analysis | None:
    """Returns the analysis in a file; None if there is none, it is damaged, or its key differs."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            facts: _Facts = json.loads(str(archive["facts"]))
            if facts["key"] != key:
                return None
            return _analysis(facts, dict(archive))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _facts(key: str, analysis: Analysis) -> _Facts:
    tracks = analysis.tracks
    place = {track.track_id: position for position, track in enumerate(tracks)}
    return {
        "key": key,
        "people": [[place[track.track_id] for track in one.tracks] for one in analysis.people],
        "left_out": [(place[one.track.track_id], one.reason) for one in analysis.left_out],
        "tracks": [(one.track_id, len(one.faces), len(one.embedded)) for one in tracks],
        "frames": analysis.frames,
        "first_frame": analysis.first_frame,
        "cuts": analysis.cuts,
        "changes": analysis.changes,
        "detected": analysis.detected,
    }


def _analysis(facts: _Facts, columns: _Columns) -> Analysis:
    """Puts an analysis together again."""
    tracks = _tracks(facts, columns)
    people = [
        Person(tuple(tracks[position] for position in positions), embedding, thumbnail)
        for positions, embedding, thumbnail in zip(
            facts["people"],
            columns["people"],
            _thumbnails("person_picture", len(facts["people"]), columns),
            strict=True,
        )
    ]
    return Analysis(
        people=tuple(people),
        left_out=tuple(LeftOut(tracks[position], reason) for position, reason in facts["left_out"]),
        frames=facts["frames"],
        first_frame=facts["first_frame"],
        cuts=tuple(facts["cuts"]),
        changes=tuple(facts["changes"]),
        detected=facts["detected"],
    )


def _track_columns(tracks: Sequence[Track]) -> _Columns:
    faces = [face for track in tracks for face in track.faces]
    return {
        **_columns("face", _FACE_FIELDS, faces),
        **_columns("detection", _DETECTION_FIELDS, [face.detection for face in faces]),
        "transforms": np.concatenate([track.transforms for track in tracks]),
        "embedded": np.concatenate([track.embedded for track in tracks]),
        "embeddings": np.concatenate([track.embeddings for track in tracks]),
    }


def _tracks(facts: _Facts, columns: _Columns) -> list[Track]:
    """Puts the tracks together again: the opposite of `_track_columns`."""
    detections = [Detection(*row) for row in _rows("detection", _DETECTION_FIELDS, columns)]
    faces = [
        Face(**dict(zip(_FACE_FIELDS, row, strict=True)), detection=detection)
        for row, detection in zip(_rows("face", _FACE_FIELDS, columns), detections, strict=True)
    ]
    # The columns hold the rows of one track after the other, so its lengths split them again.
    numbers, lengths, embedded_counts = zip(*facts["tracks"], strict=True)
    starts = np.cumsum(lengths) - lengths
    faces_of = [tuple(faces[i : i + n]) for i, n in zip(starts.tolist(), lengths, strict=True)]
    rows = zip(
        numbers,
        faces_of,
        _split(columns["transforms"], lengths),
        _split(columns["embedded"], embedded_counts),
        _split(columns["embeddings"], embedded_counts),
        _thumbnails("track_picture", len(numbers), columns),
        strict=True,
    )
    return [Track(*row) for row in rows]


def _columns(kind: str, fields: Sequence[str], items: Sequence[Any]) -> _Columns:
    """Returns one array per field, over all items."""
    return {f"{kind}_{name}": np.array([getattr(item, name) for item in items]) for name in fields}


def _rows(kind: str, fields: Sequence[str], columns: _Columns) -> Iterable[tuple[Any, ...]]:
    """Returns the fields of each item: the opposite of `_columns`."""
    arrays = [columns[f"{kind}_{name}"] for name in fields]
    # Numbers were Python's own before they were stored, and not NumPy's.
    return zip(*(one.tolist() if one.ndim == 1 else one for one in arrays), strict=True)


def _thumbnail_columns(kind: str, thumbnails: Iterable[np.ndarray | None]) -> _Columns:
    """Returns an array per thumbnail, named by its position; nothing for None."""
    return {f"{kind}_{i}": one for i, one in enumerate(thumbnails) if one is not None}


def _thumbnails(kind: str, count: int, columns: _Columns) -> list[np.ndarray | None]:
    """Returns the thumbnail at each of `count` positions: the opposite of `_thumbnail_columns`."""
    return [columns.get(f"{kind}_{i}") for i in range(count)]


def _split(array: np.ndarray, lengths: Sequence[int]) -> list[np.ndarray]:
    return np.split(array, np.cumsum(lengths)[:-1])
