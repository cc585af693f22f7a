"""Videos of one person to that person's data set."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
from typing import Any

from absl import logging

from data_prep import faces, people, report, shards, video, weights
from data_prep.errors import InputError
from data_prep.progress import Progress
from data_prep.records import SCHEMA_VERSION, Track

# Neighbouring frames look alike: none may be in both splits.
_GUARD_US = 1_000_000


@dataclasses.dataclass(frozen=True)
class PrepareSettings:
    """Which part of the videos is used, and how.

    Attributes:
      span: of each video.
      holdout: share of each video's time, at its end, that is never trained on.
      face: how faces are found.
    """

    span: video.Span = video.WHOLE
    holdout: float = 0.1
    face: faces.FaceSettings = faces.FaceSettings()


@dataclasses.dataclass(frozen=True)
class _Prepared:
    """One analysed video."""

    path: pathlib.Path
    card: dict[str, Any]
    train: tuple[Track, ...]
    holdout: tuple[Track, ...]


def prepare(
    videos: list[pathlib.Path],
    identity: str,
    consent: str,
    out: pathlib.Path,
    settings: PrepareSettings = PrepareSettings(),
    overwrite: bool = False,
) -> shards.IdentityCard:
    """Finds, crops and stores the face of the person who is seen most.

    A folder that already holds exactly this is left as it is. A video that cannot be used is
    reported and the others go on.

    Args:
      videos: of one person.
      identity: name of that person.
      consent: who allows what, recorded in the data set.
      out: folder of the data set.
      settings: which part and how.
      overwrite: whether another data set in that folder may be replaced.

    Raises:
      InputError: if consent is missing, no video can be used, or the folder holds another
        data set.
    """
    if not consent.strip():
        raise InputError("--consent is empty; state who agrees to the use of this footage")
    for path in videos:
        video.probe(path)
    fingerprints = {path: video.fingerprint(path) for path in videos}
    fingerprint = _fingerprint(list(fingerprints.values()), identity, consent, settings)
    if (existing := _existing(out, fingerprint, overwrite)) is not None:
        logging.info("%s: already prepared, nothing to do.", out)
        return existing

    prepared = [_analyse(path, fingerprints[path], settings) for path in videos]
    usable = [one for one in prepared if one is not None]
    if not usable:
        raise InputError(f"none of the {len(videos)} videos can be used; see the messages above")
    with shards.Writer(out, identity, consent) as writer:
        for one in usable:
            _write(writer, one, settings)
        card = shards.IdentityCard(
            identity=identity,
            consent=consent,
            videos=tuple(one.card for one in usable),
            settings=dataclasses.asdict(settings),
            models=tuple(weights.licences()),
            fingerprint=fingerprint,
        )
        writer.finish(card)
    report.write(out)
    return card


def _analyse(path: pathlib.Path, sha256: str, settings: PrepareSettings) -> _Prepared | None:
    total = video.probe(path).expected_frames(settings.span)
    with Progress(f"{path.name}: finding faces", total=total, unit="frames") as bar:
        try:
            analysis = faces.analyse(path, settings.face, settings.span, bar.advance)
        except InputError as error:
            logging.error("%s", error)
            return None
    tracks = people.choose(analysis.people).tracks
    train, holdout = split_by_time(tracks, settings.holdout)
    card = {
        "name": path.name,
        "sha256": sha256,
        "frames": analysis.frames,
        "train": _count(train),
        "holdout": _count(holdout),
        "people_left_out": len(analysis.tracks) - len(tracks),
        "frames_without_face": analysis.frames - _count(tracks),
        "cuts": list(analysis.cuts),
    }
    return _Prepared(path, card, train, holdout)


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
            part = slice(chosen[0], chosen[-1] + 1)
            parts.append(
                dataclasses.replace(
                    track, faces=track.faces[part], transforms=track.transforms[part]
                )
            )
    return tuple(parts)


def _write(writer: shards.Writer, one: _Prepared, settings: PrepareSettings) -> None:
    for split, tracks in (("train", one.train), ("holdout", one.holdout)):
        with Progress(
            f"{one.path.name}: storing {split}", total=_count(tracks), unit="crops"
        ) as bar:
            crops = bar.track(faces.aligned_faces(one.path, tracks, settings.span))
            writer.add(split, crops, one.card)


def _count(tracks: tuple[Track, ...]) -> int:
    return sum(len(track.faces) for track in tracks)


def _fingerprint(sha256s: list[str], identity: str, consent: str, settings: PrepareSettings) -> str:
    facts = [SCHEMA_VERSION, sha256s, identity, consent, dataclasses.asdict(settings)]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _existing(out: pathlib.Path, fingerprint: str, overwrite: bool) -> shards.IdentityCard | None:
    """The card of a finished data set in that folder, if it is this very one."""
    if not out.exists() or not any(out.iterdir()):
        return None
    try:
        card = shards.read_card(out)
    except InputError:
        if overwrite:
            return None
        raise InputError(f"{out}: is not empty; give another --out") from None
    if card.fingerprint == fingerprint:
        return card
    if not overwrite:
        raise InputError(
            f"{out}: holds {card.identity} made of other videos or settings; give another "
            "--out, or --overwrite to replace it"
        )
    return None
