"""The card of a data set: `card.json`, everything a data set states about one identity."""

from __future__ import annotations

import dataclasses
import itertools
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from data_prep import json_records
from data_prep.dataset import migrations
from data_prep.dataset.coverage import CoverageCounts
from data_prep.dataset.footage_verdict import Verdict
from data_prep.errors import InputError
from data_prep.json_records import JsonObject
from data_prep.records import SCHEMA_VERSION, Track
from data_prep.weights import WeightFile

SPLITS = ("train", "holdout")
MASKS = ("face", "eyes", "mouth")
FORMATS = ("tfrecord", "array_record")
CARD = "card.json"
# Longest distance between neighbouring faces of a track that is no gap worth showing. A frame of
# a video of 10 frames/s takes 100 ms.
_GAP_US = 150_000


@dataclasses.dataclass(frozen=True)
class TrackCard:
    """One track of the person.

    Attributes:
      track_id: number of the track in the video.
      first_us: time of the first face, microseconds.
      last_us: time of the last face, microseconds.
      faces: number of faces.
      gaps: pairs of times between which the face is not visible, microseconds.
    """

    track_id: int
    first_us: int
    last_us: int
    faces: int
    gaps: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, track: Track) -> TrackCard:
        """Returns the card of a track."""
        times = np.array([face.timestamp_us for face in track.faces], np.int64)
        before = np.flatnonzero(np.diff(times) > _GAP_US)
        gaps = np.stack([times[before], times[before + 1]], -1).tolist()
        return cls(
            track_id=track.track_id,
            first_us=int(times[0]),
            last_us=int(times[-1]),
            faces=len(times),
            gaps=tuple((start, stop) for start, stop in gaps),
        )


@dataclasses.dataclass(frozen=True)
class PersonCard:
    """One person found in a video.

    Attributes:
      frames: number of frames that show the person.
      chosen: whether the crops are of this person.
      reason: why the person was chosen or left out, in words.
      thumbnail: JPEG in base 64, empty where there is none.
    """

    frames: int
    chosen: bool
    reason: str
    thumbnail: str


@dataclasses.dataclass(frozen=True)
class ShardCard:
    """One shard file of a data set.

    Attributes:
      name: file name in the folder of the data set.
      examples: number of crops.
      bytes: size of the file.
      sha256: hex digest of the file.
    """

    name: str
    examples: int
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class VideoCard:
    """One video of a data set, in the order in which `card.json` has it.

    Attributes:
      name: file name.
      sha256: hex digest of the file.
      key: hash of everything the crops were made from.
      frames: number of frames searched for faces.
      train: number of crops to train on.
      holdout: number of crops held out.
      cuts: index of the first frame of each new shot.
      fps: frames per second.
      duration_us: length, microseconds.
      tracks: tracks of the chosen person.
      people: everybody found, the chosen person first.
      embedding: embedding of the chosen person, see `records.Person`; empty in cards of older data
        sets.
      dropped: number of training crops left out, by `crop_filter.Reason`.
      dropped_thumbnails: some of these crops, JPEG in base 64, by reason.
      frames_without_face: number of frames that do not show the person.
      coverage: counts of the training crops; None before they are made.
      shards: shards by split.
    """

    name: str
    sha256: str
    key: str = ""
    frames: int = 0
    train: int = 0
    holdout: int = 0
    cuts: tuple[int, ...] = ()
    fps: float = 0.0
    duration_us: int = 0
    tracks: tuple[TrackCard, ...] = ()
    people: tuple[PersonCard, ...] = ()
    embedding: tuple[float, ...] = ()
    dropped: dict[str, int] = dataclasses.field(default_factory=dict)
    dropped_thumbnails: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    frames_without_face: int = 0
    coverage: CoverageCounts | None = None
    shards: dict[str, tuple[ShardCard, ...]] = dataclasses.field(default_factory=dict)

    def count(self, split: str) -> int:
        """Returns the number of crops in a split."""
        return self.train if split == "train" else self.holdout


@dataclasses.dataclass(frozen=True)
class RefusedVideo:
    """One video that could not be used.

    Attributes:
      name: file name.
      sha256: hex digest of the file, empty where it could not be read.
      reason: why, in one line.
    """

    name: str
    sha256: str
    reason: str


@dataclasses.dataclass(frozen=True)
class IdentityCard:
    """Everything a data set states about itself, in the order in which `card.json` has it.

    Attributes:
      identity: name of the person.
      consent: statement under which the footage may be used.
      videos: every video it was made from.
      settings: settings of the preparation, in the form they have in JSON.
      models: every model used, with origin and licence.
      fingerprint: SHA-256 over videos, settings and schema.
      refused: videos that were left out.
      coverage: what the training crops show; None before they are counted.
      verdict: whether that is enough, and what is missing; None before it is known.
      file_format: format of the shards, one of `FORMATS`.
      schema_version: version of the examples.
    """

    identity: str
    consent: str
    videos: tuple[VideoCard, ...] = ()
    settings: JsonObject = dataclasses.field(default_factory=dict)
    models: tuple[WeightFile, ...] = ()
    fingerprint: str = ""
    refused: tuple[RefusedVideo, ...] = ()
    coverage: CoverageCounts | None = None
    verdict: Verdict | None = None
    file_format: str = FORMATS[0]
    schema_version: str = SCHEMA_VERSION

    @property
    def reference(self) -> str | None:
        """SHA-256 of the photo or video of the person to look for, None for none."""
        return self.settings.get("reference")

    @property
    def mask_source(self) -> str:
        """Source of the masks, a value of `face_masks.MaskSource`."""
        source: str = self.settings["face"]["masks"]
        return source

    def count(self, split: str) -> int:
        """Returns the number of crops in a split."""
        return sum(video.count(split) for video in self.videos)

    def shards(self) -> Iterator[ShardCard]:
        """Yields every shard, video by video."""
        for video, split in itertools.product(self.videos, SPLITS):
            yield from video.shards.get(split, ())


def is_data_set(folder: pathlib.Path) -> bool:
    """Whether a folder claims to be a data set, of whatever schema and however damaged."""
    return (folder / CARD).is_file()


def name_in(folder: pathlib.Path) -> str:
    """Returns the name of the person in a data set, which may be unfinished or of another schema.

    Raises:
      ValueError: if the card is damaged.
      OSError: if it cannot be read.
    """
    try:
        return str(json.loads((folder / CARD).read_text())["identity"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{folder / CARD}: names nobody") from error


def write_unfinished(folder: pathlib.Path, identity: str, consent: str) -> None:
    """Writes a card of identity and consent alone, for a folder that is not finished yet.

    The folder thus states from the first crop on whose crops it holds; the whole card comes last.
    """
    (folder / CARD).write_text(json.dumps({"identity": identity, "consent": consent}))


def read_card(folder: str | pathlib.Path) -> IdentityCard:
    """Reads the card of a data set.

    Raises:
      InputError: if the folder is no data set, its card is damaged, is of another schema or states
        no consent.
    """
    path = pathlib.Path(folder) / CARD
    if not path.is_file():
        raise InputError(f"{folder}: no data set here; prepare one from videos")
    try:
        values = json.loads(path.read_text())
        version = values["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path) from error
    if version not in migrations.READABLE:
        raise InputError(
            f"{folder}: holds schema {version}, this version of the program reads "
            f"{SCHEMA_VERSION}; prepare it again from its videos",
            setting="overwrite",
        )
    try:
        card = from_json(values)
    except ValueError as error:
        raise _damaged(path) from error
    if not card.consent.strip():
        raise InputError(
            f"{folder}: states no consent; prepare it again with a statement", setting="consent"
        )
    return card


def from_json(values: Mapping[str, Any]) -> IdentityCard:
    """Builds a card from parsed JSON of a readable schema; keys that no card has are left out.

    Raises:
      ValueError: if a field is missing or of another type; the message names the field.
    """
    return json_records.from_json(IdentityCard, migrations.current(values))


def _damaged(path: pathlib.Path) -> InputError:
    return InputError(f"{path}: damaged card; prepare the data set again", setting="overwrite")
