"""Plots of the report, also of data sets with much or nothing to show."""

import pytest

from data_prep.dataset.coverage import AXES, Coverage
from data_prep.dataset.identity_card import TrackCard, VideoCard
from data_prep.preparation import report_plots

_NAME = "clip <1> & a name that is so long that it would not fit beside any plot.mp4"
_VIDEO = VideoCard(_NAME, "0" * 64, fps=25.0, duration_us=3_200_000)


def test_a_timeline_of_many_videos_fits():
    svg = report_plots.timeline([_VIDEO] * 40)
    assert svg.count("clip &lt;1&gt;") == 40 and "…" in svg


def test_tracks_gaps_and_cuts_are_in_the_timeline():
    track = TrackCard(0, 0, 2_960_000, 75, gaps=((1_000_000, 1_400_000),))
    cards = [
        VideoCard("a.mp4", "0" * 64, fps=25.0, duration_us=3_200_000, **fields)
        for fields in ({}, {"tracks": (track,)}, {"tracks": (track,), "cuts": (40, 60)})
    ]
    without, tracks, cuts = (report_plots.timeline([card]) for card in cards)
    assert report_plots.RED not in without and report_plots.RED in tracks
    assert len(without) < len(tracks) < len(cuts)


@pytest.mark.parametrize("name", AXES)
def test_a_histogram_has_a_bar_for_each_bin_up_to_the_last_filled_one(name):
    coverage = Coverage()
    coverage.counts[name][[2, 5]] = 3, 1
    full, empty = (report_plots.histogram(one, name, "size") for one in (coverage, Coverage()))
    bar = report_plots.BLUES[0]
    assert full.count(bar) == 4 and empty.count(bar) == 1
    assert "size" in full


def test_poses_are_plotted_with_and_without_crops():
    coverage = Coverage()
    coverage.pose[18, 18] = 5
    assert "<svg" in report_plots.pose(Coverage()) and "<svg" in report_plots.pose(coverage)
