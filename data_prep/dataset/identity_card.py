"""The card of a data set: what `card.json` says about one identity."""

from __future__ import annotations

import dataclasses
import itertools
import json
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from data_prep.errors import InputError
from data_prep.records import (
    SCHEMA_VERSION,
)

if TYPE_CHECKING:
    pass


SPLITS = ("train", "holdout")


MASKS = ("face", "eyes", "mouth")


FORMATS = ("tfrecord", "array_record")


CARD = "card.json"


@dataclasses.dataclass(frozen=True)
class IdentityCard:
    """What a data set says about itself.

    Attributes:
      identity: name of the person.
      consent: the statement under which the footage may be used.
      videos: name, SHA-256 and figures of every video it was made from, and under `shards`,
        by split, name, examples, bytes and SHA-256 of each of its shards.
      settings: with which the faces were found.
      models: origin and licence of every model used.
      fingerprint: SHA-256 over videos, settings and schema.
      refused: name, SHA-256 (empty where unreadable) and reason of each video left out.
      coverage: what the training crops show.
      verdict: whether that is enough, and what is missing.
      file_format: of the shards, one of `FORMATS`.
      schema_version: of the examples.
    """

    identity: str
    consent: str
    videos: tuple[dict[str, Any], ...]
    settings: dict[str, Any]
    models: tuple[dict[str, Any], ...]
    fingerprint: str
    refused: tuple[dict[str, Any], ...] = ()
    coverage: dict[str, Any] = dataclasses.field(default_factory=dict)
    verdict: dict[str, Any] = dataclasses.field(default_factory=dict)
    file_format: str = FORMATS[0]
    schema_version: str = SCHEMA_VERSION

    def count(self, split: str) -> int:
        """Number of crops in a split."""
        return sum(video[split] for video in self.videos)

    def shards(self) -> Iterator[dict[str, Any]]:
        """Name, examples, bytes and SHA-256 of every shard."""
        for video, split in itertools.product(self.videos, SPLITS):
            yield from video["shards"][split]


def is_data_set(folder: pathlib.Path) -> bool:
    """Whether a folder claims to be one, of whatever schema and however damaged."""
    return (folder / CARD).is_file()


def read_card(folder: str | pathlib.Path) -> IdentityCard:
    """The card of a data set.

    Raises:
      InputError: if the folder is none, is of another schema or states no consent.
    """
    path = pathlib.Path(folder) / CARD
    if not path.is_file():
        raise InputError(f"{folder}: no data set here; make one with `python -m launch.prep`")
    try:
        values = json.loads(path.read_text())
        version, consent = values["schema_version"], values["consent"]
    except (json.JSONDecodeError, KeyError) as error:
        raise InputError(f"{path}: damaged card; prepare it again with --overwrite") from error
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{folder}: holds schema {version}, this version of the program reads "
            f"{SCHEMA_VERSION}; prepare it again from its videos with --overwrite"
        )
    if not consent.strip():
        raise InputError(f"{folder}: states no consent; prepare it again with --consent")
    lists = {name: tuple(values.get(name, ())) for name in ("videos", "models", "refused")}
    return IdentityCard(**values | lists)
