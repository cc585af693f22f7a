"""One video to its part of a data set: the work of one worker process of `prepare`."""

from __future__ import annotations

import dataclasses
import itertools
import math
import pathlib
from collections.abc import Iterable, Iterator

import numpy as np

from data_prep.dataset.coverage import Coverage
from data_prep.dataset.identity_card import IdentityCard, PersonCard, TrackCard, VideoCard
from data_prep.dataset.writer import Writer
from data_prep.errors import InputError
from data_prep.identity import people
from data_prep.media.video_reader import VideoInfo
from data_prep.pipeline import faces
from data_prep.preparation.crop_filter import QualityFilter
from data_prep.preparation.settings import PrepareSettings
from data_prep.records import AlignedFace, Person, Track
from data_prep.reporting.thumbnails import thumbnail
from data_prep.runtime.process_pool import Context
from data_prep.segmentation.face_masks import Masker

# Neighbouring frames look alike, so none may be in both splits.
_GUARD_US = 1_000_000


@dataclasses.dataclass(frozen=True)
class VideoTask:
    """One video that is to be prepared; its text is its path.

    Attributes:
      info: properties of the video.
      sha256: hex digest of the file.
      key: hash of everything the crops depend on but the choice of the person.
      settings: which part of the video is used, and how.
      folder: folder of the data set of this video alone.
      identity: name of the person.
      consent: statement of consent.
    """

    info: VideoInfo
    sha256: str
    key: str
    settings: PrepareSettings
    folder: pathlib.Path
    identity: str
    consent: str

    @property
    def path(self) -> pathlib.Path:
        """Path of the video."""
        return self.info.path

    def __str__(self) -> str:
        return str(self.path)


@dataclasses.dataclass(frozen=True)
class Periods:
    """The two stretches of time of one video.

    Attributes:
      train_end: end of the stretch that is trained on, microseconds.
      holdout_start: start of the stretch that is held out, microseconds.
    """

    train_end: float
    holdout_start: float

    @classmethod
    def of(cls, tracks: tuple[Track, ...], share: float) -> Periods:
        """Returns the periods that hold out a share of the time from first to last face.

        The held-out stretch is at the end; the second before it belongs to neither stretch.
        """
        times = [face.timestamp_us for track in tracks for face in track.faces]
        start = max(times) - share * (max(times) - min(times))
        return cls(start - _GUARD_US, start if share else math.inf)

    def split(self, timestamp_us: int) -> str | None:
        """Returns the split of a crop at this time, None for neither."""
        if timestamp_us < self.train_end:
            return "train"
        return "holdout" if timestamp_us >= self.holdout_start else None


def make(task: VideoTask, context: Context) -> None:
    """Finds, crops and stores the face of one person in one video.

    Args:
      task: the video.
      context: gets the embedding of the person visible most as its one question, and answers with
        that of the person wanted, or None for the one visible most. Gets half a frame of progress
        for each frame of each of the two passes.

    Raises:
      InputError: if the video cannot be used.
    """
    settings = task.settings
    # First pass: everybody in the video, and which of them is wanted.
    analysis = faces.analyse(
        task.info, settings.face, settings.span, lambda frames: context.progress(frames / 2)
    )
    wanted = context.ask(people.select_person(analysis.people).embedding)
    try:
        person = people.select_person(analysis.people, wanted)
    except InputError as error:
        raise InputError(f"{task.path}: {error}", setting=error.setting) from error
    # Second pass: the crops, into a data set of this video alone.
    reason = "seen most often" if wanted is None else "like the reference"
    card = _card(task, analysis, person, _people(analysis, person, reason))
    with Writer(task.folder, task.identity, task.consent, settings.file_format) as writer:
        card = _store(writer, task, person, card, context)
        writer.finish(
            IdentityCard(
                identity=task.identity,
                consent=task.consent,
                videos=(card,),
                settings=dataclasses.asdict(settings),
                fingerprint=task.key,
            )
        )


def _card(
    task: VideoTask, analysis: faces.Analysis, person: Person, people: tuple[PersonCard, ...]
) -> VideoCard:
    """Returns the card of the video as far as the first pass can fill it."""
    return VideoCard(
        name=task.path.name,
        sha256=task.sha256,
        key=task.key,
        frames=analysis.frames,
        cuts=tuple(analysis.cuts),
        fps=float(task.info.fps),
        duration_us=task.info.duration_us,
        tracks=tuple(TrackCard.of(track) for track in person.tracks),
        people=people,
        embedding=tuple(person.embedding.tolist()),
        frames_without_face=analysis.frames - person.frames,
    )


def _store(
    writer: Writer, task: VideoTask, person: Person, card: VideoCard, context: Context
) -> VideoCard:
    """Writes the crops, in the second pass; returns the card with their counts."""
    periods = Periods.of(person.tracks, task.settings.holdout)
    quality = QualityFilter(task.settings.quality, task.info.height, task.info.width)
    coverage = Coverage()
    crops = _crops(task, person, periods, quality, context)
    # Crops come in order of time: first those to train on, then those held out.
    train = holdout = 0
    for split, part in itertools.groupby(crops, lambda crop: periods.split(crop.timestamp_us)):
        if split == "train":
            good = (crop for crop in part if quality.reason_to_drop(crop) is None)
            train = writer.add(split, _counted(good, coverage), card)
        elif split == "holdout":
            holdout = writer.add(split, part, card)
    return dataclasses.replace(
        card,
        train=train,
        holdout=holdout,
        dropped=quality.dropped,
        dropped_thumbnails=quality.thumbnails(),
        coverage=coverage.counted(),
    )


def _crops(
    task: VideoTask, person: Person, periods: Periods, quality: QualityFilter, context: Context
) -> Iterator[AlignedFace]:
    """Returns the crops of both splits in order of time, without duplicates to train on."""
    # Progress is in frames of the video, but the second pass only comes by those with the person.
    half_frames = task.info.expected_frames(task.settings.span) / 2 / person.frames

    def keep(crop: faces.Crop) -> bool:
        context.progress(half_frames)
        held_out = periods.split(crop.face.timestamp_us) == "holdout"
        return held_out or quality.is_new(crop.image)

    return faces.aligned_faces(
        task.info,
        person.tracks,
        task.settings.span,
        # A face that the smoother filled in was not visible.
        wanted=lambda face: face.presence > 0 and periods.split(face.timestamp_us) is not None,
        keep=keep,
        masker=Masker(task.settings.face.masks),
    )


def _people(analysis: faces.Analysis, chosen: Person, reason: str) -> tuple[PersonCard, ...]:
    """Returns a card of everybody, then one a reason for the tracks assigned to nobody."""
    found = [
        PersonCard(
            frames=person.frames,
            chosen=person is chosen,
            reason=reason if person is chosen else "another person",
            thumbnail=_thumbnail(person.thumbnail),
        )
        for person in analysis.people
    ]
    by_reason: dict[str, list[Track]] = {}
    for one in analysis.left_out:
        by_reason.setdefault(one.reason, []).append(one.track)
    for why, tracks in by_reason.items():
        longest = max(tracks, key=lambda track: len(track.faces))
        frames = sum(len(track.faces) for track in tracks)
        found.append(PersonCard(frames, False, why, _thumbnail(longest.thumbnail)))
    return tuple(found)


def _thumbnail(image: np.ndarray | None) -> str:
    return "" if image is None else thumbnail(image)


def _counted(crops: Iterable[AlignedFace], coverage: Coverage) -> Iterator[AlignedFace]:
    for crop in crops:
        coverage.add(crop)
        yield crop
