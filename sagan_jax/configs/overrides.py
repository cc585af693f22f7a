"""A config as text: as JSON, and with single fields changed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any

from data_prep import json_records
from data_prep.errors import InputError
from data_prep.json_records import JsonObject
from sagan_jax.configs.config import Config


def overridden(config: Config, assignments: Iterable[str]) -> Config:
    """Changes single fields of a config.

    Args:
      config: config to start from.
      assignments: `part.field=value` each, the value as JSON, e.g. `loss.edges=0.1` or
        `loss.perceptual=[[0, 0], [8000, 0.2]]`; a plain word needs no quotes.

    Raises:
      InputError: if there is no such field, or the value is of another kind.
    """
    values = dataclasses.asdict(config)
    for assignment in assignments:
        name, _, text = assignment.partition("=")
        *path, field = name.split(".")
        part: Any = values
        for step in path:
            part = part.get(step) if isinstance(part, dict) else None
        # The last name has to be a field, not a part of the config.
        if not isinstance(part, dict) or isinstance(part.get(field, {}), dict):
            known = ", ".join(part) if isinstance(part, dict) else ", ".join(values)
            raise InputError(f"{assignment}: there is no '{name}'; known: {known}", setting="set")
        try:
            part[field] = json.loads(text)
        except json.JSONDecodeError:
            part[field] = text
    return from_dict(values)


def to_json(config: Config) -> str:
    """The config as indented JSON text."""
    return json_records.dumps(config)


def from_dict(values: JsonObject) -> Config:
    """A config from the parsed text of `to_json`.

    Raises:
      InputError: if a value is not of its field's kind, or a field is missing.
    """
    try:
        return json_records.from_json(Config, values)
    except ValueError as error:
        # The reason comes before the place: "Expected `int`, got `str` - at `$.model.latent`".
        reason, _, place = str(error).replace("`", "").partition(" - at $.")
        raise InputError(f"config: {place or 'value'}: {reason}", setting="set") from error
