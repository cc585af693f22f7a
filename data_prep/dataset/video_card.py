"""What a data set records of each of its videos: plain values, as they stand in `card.json`."""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np

from data_prep.records import Track

# Between a face and the next of its track: longer than this is a gap worth showing. A frame of
# a 10 frames/s video takes 100 ms.
_GAP_US = 150_000


class TrackCard(TypedDict):
    """One track of the person: when it is seen, in microseconds, and when not in between."""

    track_id: int
    first_us: int
    last_us: int
    faces: int
    gaps: list[list[int]]


class PersonCard(TypedDict):
    """One person of a video; `reason` says in words why chosen or left out.

    `thumbnail` is a JPEG in base 64, empty where there is none.
    """

    frames: int
    chosen: bool
    reason: str
    thumbnail: str


class VideoCard(TypedDict):
    """One video of a data set.

    `key` is the hash of everything the crops were made from. `train` and `holdout` count stored
    crops, `cuts` lists the first frame of each new shot, `embedding` is of the chosen person
    (see `records.Person`), `dropped` and `dropped_thumbnails` are by `quality.Reason`, `coverage`
    is of the training crops (`coverage.Coverage.to_json`), and `shards` has name, examples, bytes
    and SHA-256 of each shard by split.
    """

    name: str
    sha256: str
    key: str
    frames: int
    train: int
    holdout: int
    cuts: list[int]
    fps: float
    duration_us: int
    tracks: list[TrackCard]
    people: list[PersonCard]
    embedding: list[float]
    dropped: dict[str, int]
    dropped_thumbnails: dict[str, list[str]]
    frames_without_face: int
    coverage: dict[str, Any]
    shards: dict[str, list[dict[str, Any]]]


def track_card(track: Track) -> TrackCard:
    """The card of one track."""
    times = np.array([face.timestamp_us for face in track.faces], np.int64)
    before = np.flatnonzero(np.diff(times) > _GAP_US)
    return TrackCard(
        track_id=track.track_id,
        first_us=int(times[0]),
        last_us=int(times[-1]),
        faces=len(times),
        gaps=np.stack([times[before], times[before + 1]], -1).tolist(),
    )
