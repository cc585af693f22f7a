"""Cards that earlier versions wrote are read as cards of today."""

import copy
import json

from data_prep import json_records
from data_prep.dataset import identity_card, migrations
from data_prep.dataset.coverage import Coverage
from data_prep.dataset.identity_card import VideoCard
from tests.support import ROOT
from tests.support.data_sets import noise_card

_COUNTS = Coverage().counted()


def _old_card():
    """A card as it was written while counts that were not made yet were empty objects."""
    videos = (VideoCard("a.mp4", "0" * 64), VideoCard("b.mp4", "1" * 64, coverage=_COUNTS))
    values = json_records.to_json(noise_card(videos=videos))
    values["videos"][0]["coverage"] = {}
    return values | {"coverage": {}, "verdict": {}}


def test_empty_objects_of_an_old_card_are_none(tmp_path):
    (tmp_path / identity_card.CARD).write_text(json.dumps(_old_card()))
    card = identity_card.read_card(tmp_path)
    assert card.coverage is None and card.verdict is None
    assert [video.coverage for video in card.videos] == [None, _COUNTS]


def test_the_old_values_are_not_changed():
    values = _old_card()
    before = copy.deepcopy(values)
    migrations.current(values)
    assert values == before


def test_a_card_of_today_stays_as_it_is():
    values = json.loads(json_records.dumps(noise_card()))
    assert migrations.current(values) == values


def test_a_card_of_an_earlier_version_is_written_again_byte_for_byte():
    folder = ROOT / "tests" / "data" / "schema_1_1_0_data_set"
    card = identity_card.read_card(folder)
    assert json_records.dumps(card) == (folder / identity_card.CARD).read_text()
    assert card.coverage is not None and card.videos[0].coverage is not None
