"""Cards written and read back whole, and cards that are refused."""

import json

import numpy as np
import pytest

from data_prep import json_records
from data_prep.dataset import identity_card
from data_prep.dataset.coverage import Coverage
from data_prep.dataset.footage_verdict import Level, Verdict
from data_prep.dataset.identity_card import (
    IdentityCard,
    PersonCard,
    RefusedVideo,
    ShardCard,
    TrackCard,
    VideoCard,
)
from data_prep.errors import InputError
from data_prep.records import Track
from data_prep.weights import BISENET, DLIB_RESNET
from tests.support.data_sets import write_noise

_SHARD = ShardCard("face_identity-train.tfrecord-00000-of-00001", 3, 1000, "2" * 64)
_VIDEO = VideoCard(
    "clip.mp4",
    "0" * 64,
    key="1" * 64,
    frames=80,
    train=3,
    holdout=2,
    cuts=(40, 60),
    fps=25.0,
    duration_us=3_200_000,
    tracks=(TrackCard(0, 0, 2_960_000, 75, ((1_000_000, 1_400_000),)),),
    people=(PersonCard(75, True, "seen most often", "base64"),),
    embedding=(0.5, -0.25),
    dropped={"blurred": 2},
    dropped_thumbnails={"blurred": ("one", "two")},
    frames_without_face=5,
    coverage=Coverage().counted(),
    shards={"train": (_SHARD,), "holdout": ()},
)
_CARD = IdentityCard(
    "A",
    "A agrees",
    (_VIDEO,),
    settings={"reference": "3" * 64, "face": {"masks": "bisenet"}},
    models=(DLIB_RESNET, BISENET),
    fingerprint="4" * 64,
    refused=(RefusedVideo("bad.mp4", "", "no face found"),),
    coverage=Coverage().counted(),
    verdict=Verdict(Level.THIN, "few crops", ("film more",)),
)


def _write(folder, text):
    folder.mkdir(exist_ok=True)
    (folder / identity_card.CARD).write_text(text)
    return folder


def test_a_card_is_read_back_as_it_was_written(tmp_path):
    card = identity_card.read_card(_write(tmp_path / "a", json_records.dumps(_CARD)))
    assert card == _CARD
    assert card.reference == "3" * 64 and card.mask_source == "bisenet"
    assert (card.count("train"), card.count("holdout")) == (3, 2)
    assert list(card.shards()) == [_SHARD]
    assert identity_card.from_json(json_records.to_json(_CARD)) == _CARD


def test_fields_of_later_versions_are_left_out(tmp_path):
    values = json_records.to_json(_CARD) | {"weather": "sunny"}
    assert identity_card.read_card(_write(tmp_path / "a", json.dumps(values))) == _CARD


@pytest.mark.parametrize(
    ("changes", "text", "setting"),
    [
        ({"schema_version": "0.1.0"}, "schema 0.1.0.*prepare it again", "overwrite"),
        ({"consent": " "}, "no consent", "consent"),
    ],
)
def test_another_schema_and_a_missing_consent_are_refused(tmp_path, changes, text, setting):
    folder = write_noise(tmp_path / "a", **changes)
    with pytest.raises(InputError, match=text) as caught:
        identity_card.read_card(folder)
    assert caught.value.setting == setting


def _changed(**changes):
    return json.dumps(json_records.to_json(_CARD) | changes)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (json_records.dumps(_CARD)[:-100], ""),
        ("[]", ""),
        ("{}", "schema_version"),
        (_changed(identity=7), r"\$\.identity"),
        (_changed(videos=7), r"\$\.videos"),
        (_changed(videos=["clip.mp4"]), r"\$\.videos\[0\]"),
        (_changed(videos=[{"name": "clip.mp4"}]), r"sha256.*\$\.videos\[0\]"),
        (_changed(videos=[{"name": "a", "sha256": "", "train": "3"}]), r"\$\.videos\[0\]\.train"),
        (_changed(verdict={"level": "superb", "summary": "", "advice": []}), r"\$\.verdict\.level"),
    ],
)
def test_a_damaged_card_is_refused_and_its_cause_names_the_field(tmp_path, text, cause):
    with pytest.raises(InputError, match=r"card\.json: damaged card") as caught:
        identity_card.read_card(_write(tmp_path / "a", text))
    assert caught.value.setting == "overwrite"
    assert isinstance(caught.value.__cause__, Exception)
    if cause:
        with pytest.raises(type(caught.value.__cause__), match=cause):
            raise caught.value.__cause__


def test_a_folder_without_a_card_is_no_data_set(tmp_path):
    assert not identity_card.is_data_set(tmp_path)
    with pytest.raises(InputError, match="no data set here"):
        identity_card.read_card(tmp_path)


def test_the_name_is_read_from_any_card(tmp_path):
    finished = _write(tmp_path / "1", _changed(schema_version="0.1.0"))
    assert identity_card.name_in(finished) == "A"
    (tmp_path / "2").mkdir()
    identity_card.write_unfinished(tmp_path / "2", "B", "yes")
    assert identity_card.is_data_set(tmp_path / "2")
    assert identity_card.name_in(tmp_path / "2") == "B"


@pytest.mark.parametrize("text", ["", '{"identity": ', "[]", "7", '{"consent": "yes"}'])
def test_a_card_that_names_nobody_is_an_error(tmp_path, text):
    with pytest.raises(ValueError, match=r"names nobody|Expecting"):
        identity_card.name_in(_write(tmp_path / "a", text))


def test_a_missing_card_has_no_name(tmp_path):
    with pytest.raises(OSError, match=r"card\.json"):
        identity_card.name_in(tmp_path)


def test_a_track_card_lists_gaps_longer_than_a_slow_frame():
    def face(timestamp_us):
        return type("Face", (), {"timestamp_us": timestamp_us})

    times = (0, 100_000, 250_000, 500_000, 540_000)
    track = Track(3, tuple(face(time) for time in times), np.zeros((5, 2, 3), np.float32))
    assert TrackCard.of(track) == TrackCard(3, 0, 540_000, 5, ((250_000, 500_000),))
