"""One video to its part of a data set: what a worker of `prepare` does."""

from __future__ import annotations

import dataclasses
import itertools
import math
import pathlib
from collections.abc import Iterable, Iterator

import numpy as np

from data_prep.dataset import identity_card
from data_prep.dataset import writer as writer_lib
from data_prep.dataset.coverage import Coverage
from data_prep.dataset.video_card import PersonCard, VideoCard, track_card
from data_prep.errors import InputError
from data_prep.identity import people
from data_prep.media import video_reader
from data_prep.pipeline import faces
from data_prep.preparation.crop_filter import QualityFilter
from data_prep.preparation.settings import PrepareSettings
from data_prep.records import AlignedFace, Person, Track
from data_prep.reporting.thumbnails import thumbnail
from data_prep.runtime.process_pool import Context
from data_prep.segmentation.face_masks import Masker

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


@dataclasses.dataclass(frozen=True)
class Periods:
    """The two stretches of one video, timestamps in microseconds.

    Attributes:
      train_end: before which crops are trained on.
      holdout_start: from which on they are held out.
    """

    train_end: float
    holdout_start: float

    @classmethod
    def of(cls, tracks: tuple[Track, ...], share: float) -> Periods:
        """Holds out a share of the time from first to last face, at its end.

        The second before it belongs to neither stretch.
        """
        times = [face.timestamp_us for track in tracks for face in track.faces]
        start = max(times) - share * (max(times) - min(times))
        return cls(start - _GUARD_US, start if share else math.inf)

    def split(self, timestamp_us: int) -> str | None:
        """The split of a crop, None for neither."""
        if timestamp_us < self.train_end:
            return "train"
        return "holdout" if timestamp_us >= self.holdout_start else None


def make(order: Order, link: Context) -> None:
    """Finds, crops and stores the face of one person in one video.

    Args:
      order: which video.
      link: asked, with the embedding of the person seen most, for that of the person wanted;
        None if it is this one. Hears of frames done, half a frame in each of the two passes.

    Raises:
      InputError: if the video cannot be used.
    """
    settings = order.settings
    analysis = faces.analyse(
        order.path, settings.face, settings.span, lambda frames: link.progress(frames / 2)
    )
    wanted = link.ask(people.choose(analysis.people).embedding)
    try:
        person = people.choose(analysis.people, wanted)
    except InputError as error:
        raise InputError(f"{order.path}: {error}") from error
    card = _card(order, analysis, person)
    card["people"] = _people(
        analysis, person, "seen most often" if wanted is None else "like the reference"
    )
    with writer_lib.Writer(
        order.folder, order.identity, order.consent, settings.file_format
    ) as writer:
        _store(writer, order, person, card, link)
        facts = dataclasses.asdict(settings)
        writer.finish(
            identity_card.IdentityCard(
                order.identity, order.consent, (dict(card),), facts, (), order.key
            )
        )


def _card(order: Order, analysis: faces.Analysis, person: Person) -> VideoCard:
    """What the first pass found."""
    info = video_reader.probe(order.path)
    return VideoCard(
        name=order.path.name,
        sha256=order.sha256,
        key=order.key,
        frames=analysis.frames,
        train=0,
        holdout=0,
        cuts=list(analysis.cuts),
        fps=float(info.fps),
        duration_us=info.duration_us,
        tracks=[track_card(track) for track in person.tracks],
        people=[],
        embedding=person.embedding.tolist(),
        dropped={},
        dropped_thumbnails={},
        frames_without_face=analysis.frames - person.frames,
        coverage={},
        shards={},
    )


def _store(
    writer: writer_lib.Writer, order: Order, person: Person, card: VideoCard, link: Context
) -> None:
    """The second pass: writes the crops and notes in the card what became of them."""
    settings, info = order.settings, video_reader.probe(order.path)
    periods = Periods.of(person.tracks, settings.holdout)
    quality, coverage = QualityFilter(settings.quality, info.height, info.width), Coverage()
    half_frames = info.expected_frames(settings.span) / 2 / person.frames

    def keep(crop: faces.Crop) -> bool:
        link.progress(half_frames)
        held_out = periods.split(crop.face.timestamp_us) == "holdout"
        return held_out or quality.is_new(crop.image)

    crops = faces.aligned_faces(
        order.path,
        person.tracks,
        settings.span,
        # What the smoother filled in was not seen.
        wanted=lambda face: face.presence > 0 and periods.split(face.timestamp_us) is not None,
        keep=keep,
        masker=Masker(settings.face.masks),
    )
    for split, part in itertools.groupby(crops, lambda crop: periods.split(crop.timestamp_us)):
        if split == "train":
            good = (crop for crop in part if quality.fault(crop) is None)
            card["train"] = writer.add(split, _noted(good, coverage), dict(card))
        elif split == "holdout":
            card["holdout"] = writer.add(split, part, dict(card))
    card["dropped"], card["dropped_thumbnails"] = quality.dropped, quality.thumbnails()
    card["coverage"] = coverage.to_json()


def _people(analysis: faces.Analysis, chosen: Person, reason: str) -> list[PersonCard]:
    """Everybody in the video, and what was taken for a face and given to nobody, by reason."""
    found = [
        PersonCard(
            frames=person.frames,
            chosen=person is chosen,
            reason=reason if person is chosen else "another person",
            thumbnail=_picture(person.thumbnail),
        )
        for person in analysis.people
    ]
    by_reason: dict[str, list[Track]] = {}
    for one in analysis.left_out:
        by_reason.setdefault(one.reason, []).append(one.track)
    for why, tracks in by_reason.items():
        longest = max(tracks, key=lambda track: len(track.faces))
        found.append(
            PersonCard(
                frames=sum(len(track.faces) for track in tracks),
                chosen=False,
                reason=why,
                thumbnail=_picture(longest.thumbnail),
            )
        )
    return found


def _picture(image: np.ndarray | None) -> str:
    return "" if image is None else thumbnail(image)


def _noted(crops: Iterable[AlignedFace], coverage: Coverage) -> Iterator[AlignedFace]:
    for crop in crops:
        coverage.add(crop)
        yield crop
