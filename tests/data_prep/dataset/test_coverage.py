"""Counts of crops in closed form, and parts that add up to the whole."""

import json

import numpy as np
import pytest

from data_prep import json_records
from data_prep.dataset.coverage import Axis, Coverage, CoverageCounts
from data_prep.mesh import expression


def test_a_value_beyond_the_axis_is_counted_in_the_bin_at_its_end():
    axis = Axis(-1, 0.5, 4)
    assert [axis.index(v) for v in (-9, -1, -0.51, 0, 0.99, 9)] == [0, 0, 0, 2, 3, 3]
    np.testing.assert_allclose(axis.edges, [-1, -0.5, 0, 0.5, 1])


def test_openings_in_closed_form():
    points = np.zeros((478, 2), np.float32)
    points[13], points[14] = (128, 150), (128, 150 + 0.1 * 0.78 * 256)
    assert expression.mouth_opening_in_face_heights(points, 256) == pytest.approx(0.1, rel=1e-5)
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
        values = json.loads(json_records.dumps(half.counted()))
        total.merge(Coverage.of(json_records.from_json(CoverageCounts, values)))
    assert total.counted() == whole.counted()
    assert total.crops == len(crops) and total.seconds == 3
    assert total.pose.sum() == len(crops) == total.counts["mouth"].sum()


def test_stored_counts_are_plain_numbers_and_leave_out_empty_cells(crops):
    coverage = Coverage()
    for face in crops:
        coverage.add(face)
    counted = coverage.counted()
    assert json.loads(json.dumps(json_records.to_json(counted)))["crops"] == len(crops)
    assert all(crops > 0 for _, _, crops in counted.pose)
    assert len(counted.pose) == np.count_nonzero(coverage.pose)


def test_a_man_who_faces_the_camera_is_counted_as_such(crops):
    """His mouth is shut, his eyes are open, and his face is 130 pixels high."""
    total = Coverage()
    for face in crops:
        total.add(face)
    assert total.median("height") == pytest.approx(130, abs=20)
    assert total.below("mouth", 0.03) == len(crops)
    assert total.below("eyes", 0.15) == 0
    assert total.crops - total.angles_beyond(yaw=-15) == total.angles_beyond(yaw=15) == 0
