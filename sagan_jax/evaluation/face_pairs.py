"""Pairs of faces: each face of a target video, and the face in its place in the swapped video."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from data_prep.identity import people
from data_prep.imaging.boxes import overlap
from data_prep.media import video_reader
from data_prep.pipeline import faces
from data_prep.records import Face, Track
from data_prep.runtime.progress import Progress


class TrackedFace(NamedTuple):
    """A face of a track.

    Attributes:
      face: the face in its frame.
      track_id: number of the track.
      transform: `[2, 3]`, frame to crop pixels.
    """

    face: Face
    track_id: int
    transform: np.ndarray


@dataclasses.dataclass(frozen=True)
class TrackedPerson:
    """One person in a video.

    Attributes:
      faces: faces by position of their frame in the span.
      frames: number of frames in the span.
    """

    faces: dict[int, TrackedFace]
    frames: int


@dataclasses.dataclass(frozen=True)
class Pair:
    """A face of the target, and the face in its place in the swap.

    Attributes:
      before: face of the target.
      after: face of the swap.
      track_id: track of the target's face.
      transform: `[2, 3]`, frame pixels to pixels of the target's crop.
    """

    before: Face
    after: Face
    track_id: int
    transform: np.ndarray


def track_target(path: pathlib.Path, span: video_reader.Span) -> TrackedPerson:
    """Finds the most visible person of a video.

    Raises:
      InputError: if the video cannot be read or shows no face.
    """
    with _progress(path, span) as bar:
        analysis = faces.analyse(path, span=span, progress=bar.advance)
    return _person(_tracked(people.select_person(analysis.people).tracks, analysis), analysis)


def track_swap(path: pathlib.Path, target: TrackedPerson) -> TrackedPerson:
    """Finds the faces of a swapped video that overlap the target person's faces.

    They are matched by place, not by person, because a poor swap may be grouped with nobody.
    """
    with _progress(path, video_reader.WHOLE) as bar:
        analysis = faces.find_people(path, progress=bar.advance)
    candidates = [
        (overlap(one.face.detection.box, target.faces[i].face.detection.box), i, one)
        for i, one in _tracked(analysis.tracks, analysis)
        if i in target.faces
    ]
    # The face with the largest overlap comes last, and the last one of a frame is kept.
    candidates.sort(key=lambda candidate: candidate[0])
    return _person(((i, one) for share, i, one in candidates if share > 0), analysis)


def pair_up(target: TrackedPerson, swap: TrackedPerson) -> dict[int, Pair]:
    """Pairs the faces of the frames that show one in both videos, by position in the span."""
    return {
        i: Pair(
            target.faces[i].face,
            swap.faces[i].face,
            target.faces[i].track_id,
            target.faces[i].transform,
        )
        for i in sorted(target.faces.keys() & swap.faces.keys())
    }


def _progress(path: pathlib.Path, span: video_reader.Span) -> Progress:
    # The total is an estimate: containers may state a wrong number of frames.
    total = video_reader.probe(path).expected_frames(span)
    return Progress(f"{path.name}: finding faces", total=total, unit="frames")


def _tracked(
    tracks: Sequence[Track], analysis: faces.Analysis
) -> Iterator[tuple[int, TrackedFace]]:
    """Yields every face with the position of its frame in the span."""
    for track in tracks:
        for face, transform in zip(track.faces, track.transforms, strict=True):
            position = face.frame_index - analysis.first_frame
            yield position, TrackedFace(face, track.track_id, transform)


def _person(tracked: Iterable[tuple[int, TrackedFace]], analysis: faces.Analysis) -> TrackedPerson:
    """Collects faces; the last one of a frame is kept."""
    return TrackedPerson(dict(tracked), analysis.frames)
