"""Records survive JSON, and a value of a wrong type is named."""

import dataclasses
import enum
import json
from typing import Any

import pytest

from data_prep import json_records


class _Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass(frozen=True)
class _Part:
    size: int
    spans: tuple[tuple[int, float], ...] = ()


@dataclasses.dataclass(frozen=True)
class _Whole:
    name: str
    colour: _Colour
    parts: tuple[_Part, ...]
    by_name: dict[str, tuple[_Part, ...]]
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)
    last: _Part | None = None


_WHOLE = _Whole(
    "a",
    _Colour.BLUE,
    (_Part(1, ((2, 0.1), (3, 1e-9))), _Part(2)),
    {"x": (_Part(3),), "y": ()},
    {"deep": {"list": [1, None, "text"]}},
)


def _values(**changes):
    return json.loads(json_records.dumps(_WHOLE)) | changes


def test_a_record_survives_json():
    assert json_records.from_json(_Whole, _values()) == _WHOLE
    full = dataclasses.replace(_WHOLE, last=_Part(9))
    assert json_records.from_json(_Whole, json.loads(json_records.dumps(full))) == full


def test_a_tuple_of_records_survives_json():
    values = json.loads(json_records.dumps(_WHOLE.parts))
    assert json_records.from_json(tuple[_Part, ...], values) == _WHOLE.parts


def test_values_are_plain_and_in_the_order_of_the_fields():
    values = json_records.to_json(_WHOLE)
    assert values == dataclasses.asdict(_WHOLE)
    assert list(values) == [field.name for field in dataclasses.fields(_Whole)]
    assert type(values["colour"]) is str
    assert json_records.dumps(_WHOLE) == json.dumps(values, indent=2)


def test_missing_fields_take_their_defaults_and_unknown_ones_are_left_out():
    values = _values(unknown=1)
    del values["extra"], values["last"]
    assert json_records.from_json(_Whole, values) == dataclasses.replace(_WHOLE, extra={})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": 7}, r"`\$\.name`"),
        ({"name": None}, r"`\$\.name`"),
        ({"colour": "green"}, r"`\$\.colour`"),
        ({"parts": {}}, r"`\$\.parts`"),
        ({"parts": [{"size": "1"}]}, r"`\$\.parts\[0\]\.size`"),
        ({"parts": [{"size": 1.5}]}, r"`\$\.parts\[0\]\.size`"),
        ({"parts": [{"size": True}]}, r"`\$\.parts\[0\]\.size`"),
        ({"parts": [{}]}, r"`size` - at `\$\.parts\[0\]`"),
        ({"parts": [{"size": 1, "spans": [[1, 2, 3]]}]}, r"`\$\.parts\[0\]\.spans\[0\]`"),
        ({"by_name": {"x": [1]}}, r"`\$\.by_name\[\.\.\.\]\[0\]`"),
        ({"last": 3}, r"`\$\.last`"),
    ],
)
def test_a_wrong_type_names_its_field(changes, message):
    with pytest.raises(ValueError, match=message):
        json_records.from_json(_Whole, _values(**changes))
