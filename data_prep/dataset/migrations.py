"""Cards of earlier schemas brought to today's: the one place that knows how they differed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data_prep.json_records import JsonObject
from data_prep.records import SCHEMA_VERSION

# Schemas whose examples are read as they are.
READABLE = (SCHEMA_VERSION,)


def current(values: Mapping[str, Any]) -> JsonObject:
    """Returns a parsed card in the form that this version writes.

    Args:
      values: parsed `card.json` of a schema in `READABLE`; it is not changed. Values of
        a wrong type are passed on, for the reader of the card to name.
    """
    videos = values.get("videos", [])
    if isinstance(videos, (list, tuple)):
        videos = [_video(video) for video in videos]
    return {**_empty_to_none(values, "coverage", "verdict"), "videos": videos}


def _video(video: Any) -> Any:
    return _empty_to_none(video, "coverage") if isinstance(video, dict) else video


def _empty_to_none(values: Mapping[str, Any], *names: str) -> JsonObject:
    """Returns a record whose fields of these names are None where they were empty objects.

    Before cards were typed, counts and verdicts that were not made yet were empty objects.
    """
    return {**values, **{name: None for name in names if values.get(name) == {}}}
