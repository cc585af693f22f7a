"""Verdicts that name what is missing, the worst first."""

import json

import pytest

from data_prep import json_records
from data_prep.dataset import footage_verdict
from data_prep.dataset.coverage import ANGLES, AXES, Coverage
from data_prep.dataset.footage_verdict import Level, Verdict


def _full(
    crops=2000,
    seconds=80,
    yaw=(-25, 0, 25),
    pitch=(-15, 0, 15),
    mouth=(0, 0.06, 0.15),
    eyes=(0.05, 0.3),
    height=200,
):
    """Coverage with its crops spread evenly over the given values."""
    total = Coverage()
    total.crops, total.seconds = crops, seconds
    for x in yaw:
        for y in pitch:
            total.pose[ANGLES.index(x), ANGLES.index(y)] += crops // (len(yaw) * len(pitch))
    total.pose[ANGLES.index(0), ANGLES.index(0)] += crops - total.pose.sum()
    for name, values in {"mouth": mouth, "eyes": eyes, "height": (height,)}.items():
        for value in values:
            total.counts[name][AXES[name].index(value)] += crops // len(values)
    return total


def test_plenty_of_everything_is_good():
    assert footage_verdict.verdict(_full()) == Verdict(
        Level.GOOD, "2000 usable crops from 80 s of footage", ()
    )


@pytest.mark.parametrize(
    ("change", "level", "text"),
    [
        ({"crops": 400, "seconds": 16}, Level.THIN, "8 s more of this kind"),
        ({"crops": 100, "seconds": 50}, Level.NOT_ENOUGH, "5 min more of this kind"),
        ({"yaw": (-5, 0, 5)}, Level.THIN, "never turns beyond 15 degrees"),
        ({"yaw": (0, 25)}, Level.GOOD, "nothing looks to the picture's left beyond 15 degrees"),
        ({"yaw": (-25, 0)}, Level.GOOD, "nothing looks to the picture's right beyond 15 degrees"),
        ({"pitch": (0, 15)}, Level.GOOD, "nothing looks up beyond 10 degrees"),
        ({"pitch": (-15, 0)}, Level.GOOD, "nothing looks down beyond 10 degrees"),
        ({"mouth": (0, 0.02)}, Level.THIN, "the mouth is never open"),
        ({"mouth": (0, 0.06)}, Level.GOOD, "the mouth is never wide open"),
        ({"eyes": (0.3,)}, Level.GOOD, "the eyes are hardly ever shut"),
        ({"height": 50}, Level.GOOD, "the face is only 55 pixels high in the frame"),
    ],
)
def test_each_lack_is_named_alone(change, level, text):
    found = footage_verdict.verdict(_full(**change))
    assert found.level is level
    assert len(found.advice) == 1 and text in found.advice[0]
    assert found.text.startswith(f"{level}: ") and found.advice[0] in found.text


def test_the_worst_comes_first():
    found = footage_verdict.verdict(_full(crops=90, seconds=3, yaw=(0,), eyes=(0.3,)))
    assert found.level is Level.NOT_ENOUGH
    assert [line.split()[0] for line in found.advice] == ["17", "the", "the"]
    assert "turns" in found.advice[1] and "eyes" in found.advice[2]


def test_a_verdict_survives_json():
    found = footage_verdict.verdict(_full(crops=90, seconds=3, yaw=(0,), eyes=(0.3,)))
    values = json.loads(json_records.dumps(found))
    assert values["level"] == "not enough"
    assert json_records.from_json(Verdict, values) == found


def test_no_crop_at_all_is_not_enough():
    assert footage_verdict.verdict(Coverage()).level is Level.NOT_ENOUGH
