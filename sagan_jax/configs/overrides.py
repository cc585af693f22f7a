"""A config as text: as JSON, and with single fields changed."""

from __future__ import annotations

import builtins
import dataclasses
import json
import typing
from collections.abc import Iterable
from typing import Any

from data_prep.errors import InputError
from sagan_jax.configs.config import Config


def overridden(config: Config, assignments: Iterable[str]) -> Config:
    """A config with single fields changed.

    Args:
      config: what to start from.
      assignments: `part.field=value`, the value as JSON, e.g. `loss.edges=0.1` or
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
        if not isinstance(part, dict) or isinstance(part.get(field, {}), dict):
            known = ", ".join(part) if isinstance(part, dict) else ", ".join(values)
            raise InputError(f"--set={assignment}: there is no '{name}'; known: {known}")
        try:
            part[field] = json.loads(text)
        except json.JSONDecodeError:
            part[field] = text
    return from_dict(values)


def to_json(config: Config) -> str:
    """The config as indented JSON."""
    return json.dumps(dataclasses.asdict(config), indent=2)


def from_dict(values: dict[str, Any]) -> Config:
    """A config from what `to_json` wrote, parsed.

    Raises:
      TypeError: if a field is unknown.
      InputError: if a value is not of its field's kind.
    """
    return _build(Config, values)


def _build(cls: Any, values: dict[str, Any]) -> Any:
    types = typing.get_type_hints(cls)
    return cls(**{name: _convert(name, types.get(name), v) for name, v in values.items()})


def _convert(name: str, field_type: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(field_type):
        return _build(field_type, value)
    value = _tuples(value)
    if field_type is not None and not _fits(value, field_type):
        wanted = field_type.__name__ if isinstance(field_type, type) else str(field_type)
        wanted = wanted.replace("typing.", "")
        raise InputError(f"{name}={value!r} is not a value of its kind: {wanted}")
    return value


def _tuples(value: Any) -> Any:
    """JSON has lists only, the configs tuples only."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _fits(value: Any, field_type: Any) -> bool:
    arguments = typing.get_args(field_type)
    match typing.get_origin(field_type):
        case typing.Literal:
            return value in arguments
        case builtins.tuple:
            if not isinstance(value, tuple):
                return False
            if arguments[-1] is Ellipsis:
                arguments = (arguments[0],) * len(value)
            return len(value) == len(arguments) and all(map(_fits, value, arguments))
        case None:
            if field_type is float:
                return isinstance(value, int | float) and not isinstance(value, bool)
            return type(value) is field_type
        case _:  # a union
            return any(_fits(value, one) for one in arguments)
