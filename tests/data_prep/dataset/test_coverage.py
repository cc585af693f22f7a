"""Counts in closed form, parts that add up to the whole, and verdicts that say what is missing."""

import dataclasses
import json

import numpy as np
import pytest

from data_prep.dataset import footage_verdict
from data_prep.dataset.coverage import ANGLES, AXES, Axis, Coverage
from data_prep.dataset.footage_verdict import Level
from data_prep.mesh import expression


def _full(crops=2000, seconds=80, yaw=(-25, 0, 25), pitch=(-15, 0, 15), mouth=(0, 0.06, 0.15),
          eyes=(0.05, 0.3), height=200):  # fmt: skip
    """Coverage with its crops spread evenly over the values given."""
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


def test_axis():
    axis = Axis(-1, 0.5, 4)
    assert [axis.index(v) for v in (-9, -1, -0.51, 0, 0.99, 9)] == [0, 0, 0, 2, 3, 3]
    np.testing.assert_allclose(axis.edges, [-1, -0.5, 0, 0.5, 1])


def test_openings_in_closed_form():
    points = np.zeros((478, 2), np.float32)
    points[13], points[14] = (128, 150), (128, 150 + 0.1 * 0.78 * 256)
    assert expression.mouth_opening(points, 256) == pytest.approx(0.1, rel=1e-5)
    for eye, x in (((33, 160, 158, 133, 153, 144), 70), ((263, 387, 385, 362, 380, 373), 150)):
        shape = np.array([(0, 0), (10, -4), (20, -4), (30, 0), (20, 5), (10, 5)])
        points[list(eye)] = shape + np.array([x, 100])
    assert expression.eye_opening(points) == pytest.approx(9 / 30, rel=1e-5)
    both = np.stack([points, 2 * points])
    assert expression.eye_opening(both) == pytest.approx(9 / 30, rel=1e-5)


def test_parts_add_up_through_json(crops):
    halves, whole = (Coverage(), Coverage()), Coverage()
    for face in crops:
        halves[face.timestamp_us >= 2_000_000].add(face)
        whole.add(face)
    total = Coverage()
    for half in halves:
        total.merge(Coverage.from_json(json.loads(json.dumps(half.to_json()))))
    assert total.to_json() == whole.to_json()
    assert total.crops == len(crops) and total.seconds == 3
    assert total.pose.sum() == len(crops) == total.counts["mouth"].sum()


def test_what_the_pictures_show(crops):
    """He looks at the camera, mouth shut, eyes open, 130 pixels high."""
    total = Coverage()
    for face in crops:
        total.add(face)
    assert total.median("height") == pytest.approx(130, abs=20)
    assert total.below("mouth", 0.03) == len(crops)
    assert total.below("eyes", 0.15) == 0
    assert total.crops - total.angles_beyond(yaw=-15) == total.angles_beyond(yaw=15) == 0


def test_plenty_of_everything_is_good():
    assert footage_verdict.verdict(_full()) == footage_verdict.Verdict(
        Level.GOOD, "2000 usable crops from 80 s of footage", ()
    )


@pytest.mark.parametrize(("change", "level", "words"), [
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
])  # fmt: skip
def test_each_lack_is_named_alone(change, level, words):
    found = footage_verdict.verdict(_full(**change))
    assert found.level is level
    assert len(found.advice) == 1 and words in found.advice[0]
    assert found.text.startswith(f"{level}: ") and found.advice[0] in found.text


def test_the_worst_comes_first():
    found = footage_verdict.verdict(_full(crops=90, seconds=3, yaw=(0,), eyes=(0.3,)))
    assert found.level is Level.NOT_ENOUGH
    assert [line.split()[0] for line in found.advice] == ["17", "the", "the"]
    assert "turns" in found.advice[1] and "eyes" in found.advice[2]
    assert json.loads(json.dumps(dataclasses.asdict(found)))["level"] == "not enough"


def test_nothing_at_all_is_not_enough():
    assert footage_verdict.verdict(Coverage()).level is Level.NOT_ENOUGH
