"""What was found in a video, kept in a file, so that a job that goes on need not look again.

One NumPy archive: the faces of all tracks in columns, so that an hour of video is a few
arrays and not millions.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import zipfile
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from data_prep.identity.people import LeftOut
from data_prep.pipeline.faces import Analysis
from data_prep.records import Detection, Face, Person, Track

_FACE = tuple(field.name for field in dataclasses.fields(Face) if field.name != "detection")
_DETECTION = tuple(field.name for field in dataclasses.fields(Detection))
_COUNTS = ("frames", "first_frame", "cuts", "changes", "detected")


def load_or_make(path: pathlib.Path, key: str, make: Callable[[], Analysis]) -> Analysis:
    """The analysis in a file or, if it holds another or none, a new one, which is put there.

    Args:
      path: the file; its folder is made. Where there is no room for it nothing is kept.
      key: of everything the analysis depends on.
      make: analyses the video.
    """
    found = load(path, key)
    if found is None:
        found = make()
        try:
            save(path, key, found)
        except OSError:  # it would only have saved time
            path.unlink(missing_ok=True)
    return found


def save(path: pathlib.Path, key: str, analysis: Analysis) -> None:
    """Writes an analysis aside and gives it its name; its folder is made.

    Raises:
      OSError: if it cannot be written.
    """
    tracks = analysis.tracks
    place = {track.track_id: i for i, track in enumerate(tracks)}
    every = [face for track in tracks for face in track.faces]
    facts = {
        "key": key,
        "people": [[place[track.track_id] for track in p.tracks] for p in analysis.people],
        "left_out": [(place[one.track.track_id], one.reason) for one in analysis.left_out],
        "tracks": [(t.track_id, len(t.faces), len(t.embedded)) for t in tracks],
        **{name: getattr(analysis, name) for name in _COUNTS},
    }
    columns: dict[str, Any] = {
        "facts": np.array(json.dumps(facts)),
        **_columns("face", _FACE, every),
        **_columns("detection", _DETECTION, [face.detection for face in every]),
        "transforms": np.concatenate([track.transforms for track in tracks]),
        "embedded": np.concatenate([track.embedded for track in tracks]),
        "embeddings": np.concatenate([track.embeddings for track in tracks]),
        "people": np.stack([person.embedding for person in analysis.people]),
        **_pictures("track_picture", (track.thumbnail for track in tracks)),
        **_pictures("person_picture", (person.thumbnail for person in analysis.people)),
    }
    path.parent.mkdir(exist_ok=True)
    aside = path.with_suffix(".partial")
    try:
        with aside.open("wb") as file:
            np.savez(file, **columns)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def load(path: pathlib.Path, key: str) -> Analysis | None:
    """The analysis in a file; None if there is none, it is damaged, or has another key."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            facts = json.loads(str(archive["facts"]))
            if facts["key"] != key:
                return None
            return _analysis(facts, dict(archive))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _analysis(facts: dict[str, Any], columns: dict[str, np.ndarray]) -> Analysis:
    tracks = _tracks(facts, columns)
    pictures = _shown("person_picture", len(facts["people"]), columns)
    people = [
        Person(tuple(tracks[i] for i in numbers), embedding, picture)
        for numbers, embedding, picture in zip(
            facts["people"], columns["people"], pictures, strict=True
        )
    ]
    return Analysis(
        people=tuple(people),
        left_out=tuple(LeftOut(tracks[i], reason) for i, reason in facts["left_out"]),
        **_counts(facts),
    )


def _counts(facts: dict[str, Any]) -> dict[str, Any]:
    values = ((name, facts[name]) for name in _COUNTS)
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values}


def _tracks(facts: dict[str, Any], columns: dict[str, np.ndarray]) -> list[Track]:
    detections = [Detection(*row) for row in _rows("detection", _DETECTION, columns)]
    faces = [
        Face(**dict(zip(_FACE, row, strict=True)), detection=detection)
        for row, detection in zip(_rows("face", _FACE, columns), detections, strict=True)
    ]
    numbers, lengths, reads = zip(*facts["tracks"], strict=True)
    transforms = _parts(columns["transforms"], lengths)
    embedded, embeddings = (_parts(columns[n], reads) for n in ("embedded", "embeddings"))
    pictures = _shown("track_picture", len(numbers), columns)
    starts = np.cumsum(lengths) - lengths
    of_track = [tuple(faces[i : i + n]) for i, n in zip(starts.tolist(), lengths, strict=True)]
    rows = zip(numbers, of_track, transforms, embedded, embeddings, pictures, strict=True)
    return [Track(*row) for row in rows]


def _columns(kind: str, names: Sequence[str], items: Sequence[Any]) -> dict[str, np.ndarray]:
    return {f"{kind}_{n}": np.array([getattr(item, n) for item in items]) for n in names}


def _rows(
    kind: str, names: Sequence[str], columns: dict[str, np.ndarray]
) -> Iterable[tuple[Any, ...]]:
    """The items again; numbers as Python has them."""
    several = [columns[f"{kind}_{name}"] for name in names]
    return zip(*(c.tolist() if c.ndim == 1 else c for c in several), strict=True)


def _pictures(kind: str, pictures: Iterable[np.ndarray | None]) -> dict[str, np.ndarray]:
    """Those that there are."""
    return {f"{kind}_{i}": one for i, one in enumerate(pictures) if one is not None}


def _shown(kind: str, count: int, columns: dict[str, np.ndarray]) -> list[np.ndarray | None]:
    return [columns.get(f"{kind}_{i}") for i in range(count)]


def _parts(array: np.ndarray, lengths: Sequence[int]) -> list[np.ndarray]:
    return np.split(array, np.cumsum(lengths)[:-1])
