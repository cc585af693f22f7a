"""Frozen dataclasses to JSON and back, for the cards of data sets and checkpoints."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec

_Record = TypeVar("_Record")
# An object of parsed JSON, whose shape a record or the format of another program defines.
JsonObject = dict[str, Any]


def to_json(record: Any) -> JsonObject:
    """Returns a record as values that `json.dumps` takes: enums by value, records as objects."""
    values: JsonObject = msgspec.to_builtins(record)
    return values


def from_json(cls: type[_Record], values: Any) -> _Record:
    """Builds a record from parsed JSON.

    Args:
      cls: frozen dataclass, or a tuple of them; fields that are missing in the JSON take its
        defaults.
      values: parsed JSON; keys that the class does not have are left out.

    Raises:
      ValueError: if a value is not of its field's type, or a field without a default is missing;
        the message names the field.
    """
    return msgspec.convert(values, cls)


def dumps(record: Any) -> str:
    """Returns a record as indented JSON text."""
    return json.dumps(to_json(record), indent=2)
