"""One video to its part of a data set: what a worker of `prepare` does."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Iterable, Iterator

import numpy as np

from data_prep import ahead, faces, shards, video
from data_prep.records import AlignedFace, Track
from data_prep.settings import PrepareSettings
from data_prep.workers import Link

# Neighbouring frames look alike: none may be in both splits.
_GUARD_US = 1_000_000


@dataclasses.dataclass(frozen=True)
class Order:
    """One video to be prepared.

    Attributes:
      path: the video.
      sha256: of the file.
      key: of everything its crops depend on but the choice of the person.
      settings: which part and how.
      folder: the data set of this video alone that is to be made.
      identity: name of the person.
      consent: statement of consent.
    """

    path: pathlib.Path
    sha256: str
    key: str
    settings: PrepareSettings
    folder: pathlib.Path
    identity: str
    consent: str

    def __str__(self) -> str:
        return str(self.path)


def make(order: Order, link: Link) -> None:
    """Finds, crops and stores the face of one person in one video.

    Args:
      order: which video.
      link: asked, with the embedding of the person seen most, for that of the person wanted;
        None if it is this one. Hears of frames done, half a frame in each of the two passes.

    Raises:
      InputError: if the video cannot be used.
    """
    settings, info = order.settings, video.probe(order.path)
    expected = info.expected_frames(settings.span)
    analysis = faces.analyse(
        order.path, settings.face, settings.span, lambda frames: link.progress(frames / 2)
    )
    tracks = faces.main_tracks(analysis.tracks)
    train, holdout = split_by_time(tracks, settings.holdout)
    crops = _counted(
        faces.aligned_faces(order.path, train + holdout, settings.span, ahead.map_ahead),
        link, expected / 2 / max(_count(train + holdout), 1),
    )  # fmt: skip
    held_out_us = min((f.timestamp_us for t in holdout for f in t.faces), default=0)
    origin = {"name": order.path.name, "sha256": order.sha256}
    counts = dict.fromkeys(shards.SPLITS, 0)
    with shards.Writer(order.folder, order.identity, order.consent, settings.file_format) as writer:
        for late, part in itertools.groupby(crops, lambda crop: crop.timestamp_us >= held_out_us):
            split = shards.SPLITS[late]
            counts[split] = writer.add(split, part, origin)
        card = {
            **origin,
            "key": order.key,
            **counts,
            "frames": analysis.frames,
            "fps": float(info.fps),
            "duration_us": info.duration_us,
            "cuts": list(analysis.cuts),
            "people_left_out": len(analysis.tracks) - len(tracks),
            "frames_without_face": analysis.frames - _count(tracks),
        }
        writer.finish(
            shards.IdentityCard(
                order.identity, order.consent, (card,), dataclasses.asdict(settings), (), order.key
            )
        )


def split_by_time(
    tracks: tuple[Track, ...], share: float
) -> tuple[tuple[Track, ...], tuple[Track, ...]]:
    """Training and held-out part of one video: a whole stretch of time at its end.

    The second before the held-out stretch belongs to neither, so that no neighbouring frames
    lie on both sides.

    Args:
      tracks: of one video.
      share: of the time from first to last face.
    """
    times = [face.timestamp_us for track in tracks for face in track.faces]
    begin = max(times) - share * (max(times) - min(times))
    train = _between(tracks, float("-inf"), begin - _GUARD_US)
    return train, _between(tracks, begin, float("inf"))


def _between(tracks: tuple[Track, ...], begin: float, end: float) -> tuple[Track, ...]:
    parts = []
    for track in tracks:
        chosen = [i for i, face in enumerate(track.faces) if begin <= face.timestamp_us < end]
        if chosen:
            parts.append(_part(track, chosen[0], chosen[-1] + 1))
    return tuple(parts)


def _part(track: Track, start: int, stop: int) -> Track:
    """Some of the faces of a track, with the embeddings read of them or, if none, near them."""
    inside = (track.embedded >= start) & (track.embedded < stop)
    if len(track.embedded) and not inside.any():
        inside[np.abs(track.embedded - start).argmin()] = True
    return dataclasses.replace(
        track,
        faces=track.faces[start:stop],
        transforms=track.transforms[start:stop],
        embedded=np.clip(track.embedded[inside] - start, 0, stop - start - 1),
        embeddings=track.embeddings[inside],
    )


def _counted(crops: Iterable[AlignedFace], link: Link, frames: float) -> Iterator[AlignedFace]:
    """Passes crops on and reports each, as some number of frames."""
    for crop in crops:
        yield crop
        link.progress(frames)


def _count(tracks: tuple[Track, ...]) -> int:
    return sum(len(track.faces) for track in tracks)
