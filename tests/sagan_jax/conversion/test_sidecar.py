"""Tests of the record beside an output: what it holds, and that it is read as it was written."""

import dataclasses
import json

import pytest

from data_prep import weights
from data_prep.pipeline.settings import FaceSettings
from sagan_jax.conversion import sidecar
from sagan_jax.conversion.convert_settings import ConvertSettings
from sagan_jax.conversion.sidecar import Conversion, Sidecar
from sagan_jax.conversion.target_faces import FoundPerson
from sagan_jax.provenance import manifest
from sagan_jax.provenance.manifest import ConsentedIdentity, ModelReference, NamedFile, Origin
from sagan_jax.provenance.marking import Marks
from tests.support.facts import identity_facts

_PEOPLE = (
    dataclasses.replace(identity_facts("Ada", models=FaceSettings().models), mean=(0.5, 0.4, 0.25)),
    identity_facts("Bob"),
)
_RECORD = Sidecar(
    origin=Origin(
        target=NamedFile("target.mp4", "ab" * 32),
        identities=ConsentedIdentity.of_all(_PEOPLE),
        rendered="Ada",
        weights=FaceSettings().models,
        model=ModelReference(step=7, sha256="12" * 32),
        settings=ConvertSettings().to_json(),
        watermark=2**64 - 2,
    ),
    identities=_PEOPLE,
    marking=Marks(None, label="AI-generated").record(),
    conversion=Conversion(
        frames=30,
        swapped=27,
        reasons={"no face found": 2, "another person": 1},
        people=(FoundPerson(27, True, 0.25), FoundPerson(3, False, None)),
        seconds={"faces": 1.5, "swap": 3.0},
        frames_per_second=10.0,
    ),
    versions={"jax": "1.2.3"},
    device="cpu",
    key="cd" * 32,
)


@pytest.fixture
def output(tmp_path):
    """Path of an output whose record is written."""
    path = tmp_path / "x.mp4"
    sidecar.path_of(path).write_text(json.dumps(_RECORD.to_json()))
    return path


@pytest.mark.parametrize("watermark", [None, 0, 2**64 - 2])
def test_a_record_is_read_as_it_was_written(tmp_path, watermark):
    record = dataclasses.replace(
        _RECORD, origin=dataclasses.replace(_RECORD.origin, watermark=watermark)
    )
    path = tmp_path / "x.mp4"
    sidecar.path_of(path).write_text(json.dumps(record.to_json()))
    again = sidecar.read(path)
    assert again == record
    # These two do not count for the equality of conversions.
    assert again.conversion.seconds == record.conversion.seconds
    assert again.conversion.frames_per_second == record.conversion.frames_per_second
    assert again.to_json() == record.to_json()


def test_the_json_of_a_record_has_its_keys_on_one_level():
    values = _RECORD.to_json()
    assert list(values) == [
        "notice",
        "synthetic",
        "target",
        "identities",
        "rendered",
        "weights",
        "model",
        "settings",
        "watermark",
        "non_commercial_weights",
        "marking",
        "frames",
        "swapped",
        "reasons",
        "people",
        "seconds",
        "frames_per_second",
        "kept",
        "versions",
        "device",
        "key",
    ]
    assert values["notice"] == manifest.NOTICE and values["synthetic"] is True
    assert values["watermark"] == "fffffffffffffffe" and values["kept"] == 3
    assert values["non_commercial_weights"] is weights.non_commercial(FaceSettings().models)
    assert values["identities"][0]["identity"] == "Ada"
    assert values["identities"][0]["mean"] == (0.5, 0.4, 0.25)
    assert values["people"][1] == {"frames": 3, "replaced": False, "distance": None}


def test_only_the_conversion_of_the_same_key_was_made_before(output):
    assert sidecar.made_before(output, _RECORD.key) == _RECORD.conversion
    assert sidecar.made_before(output, "another") is None
    assert sidecar.made_before(output.with_stem("y"), _RECORD.key) is None


@pytest.mark.parametrize("missing", ["watermark", "target", "identities", "frames", "key"])
def test_a_record_without_a_field_is_damaged(output, missing):
    values = _RECORD.to_json()
    del values[missing]
    _assert_damaged(output, json.dumps(values))


@pytest.mark.parametrize(
    "changed",
    [
        {"watermark": "no number"},
        {"watermark": 5},
        {"identities": [{"identity": "Ada"}]},
        {"identities": 3},
        {"frames": "many"},
        {"target": "target.mp4"},
    ],
)
def test_a_record_with_a_value_of_another_kind_is_damaged(output, changed):
    _assert_damaged(output, json.dumps(_RECORD.to_json() | changed))


@pytest.mark.parametrize("text", ["", "[1, 2", "[1, 2]", "null", '"text"'])
def test_a_file_that_is_no_record_is_damaged(output, text):
    _assert_damaged(output, text)


def _assert_damaged(output, text):
    sidecar.path_of(output).write_text(text)
    with pytest.raises(ValueError):
        sidecar.read(output)
    assert sidecar.made_before(output, _RECORD.key) is None


@pytest.mark.parametrize(
    ("conversion", "summary"),
    [
        (
            _RECORD.conversion,
            "30 frames, 27 swapped, 3 left as they were (no face found in 2, another person in 1)",
        ),
        (Conversion(1, 1, {}), "1 frame, 1 swapped, 0 left as they were"),
    ],
)
def test_the_summary_counts_frames_and_reasons(conversion, summary):
    assert conversion.summary() == summary
