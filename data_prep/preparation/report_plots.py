"""Plots in the report of a data set: head poses, openings, and when the person is visible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib import colors
from matplotlib.axes import Axes

from data_prep.dataset.coverage import ANGLES, AXES, Coverage
from data_prep.dataset.identity_card import VideoCard
from data_prep.reporting.svg_plots import BLUES, RED, TEXT_COLOUR, svg

# Degrees; the mesh reads no larger angles.
_ANGLE_LIMIT = 60
# Longest name beside a plot, characters.
_LABEL = 28


def pose(coverage: Coverage) -> Markup:
    """Plots the number of crops by yaw (across, to the right of the image) and pitch (down)."""

    def plot(axes: Axes) -> None:
        edges = ANGLES.edges
        counts = np.ma.masked_equal(coverage.pose.T, 0)
        norm = colors.LogNorm(1, max(int(coverage.pose.max()), 10))
        cells = axes.pcolormesh(edges, edges, counts, norm=norm, cmap="viridis")
        bar = axes.figure.colorbar(cells, ax=axes, label="crops", shrink=0.8)
        bar.outline.set_visible(False)
        ticks = range(-_ANGLE_LIMIT, _ANGLE_LIMIT + 1, 20)
        axes.set(xlim=(-_ANGLE_LIMIT, _ANGLE_LIMIT), xticks=ticks)
        axes.set(ylim=(_ANGLE_LIMIT, -_ANGLE_LIMIT), yticks=ticks, aspect="equal")
        axes.set(xlabel="left  ←  yaw, degrees  →  right", ylabel="down  ←  pitch, degrees  →  up")
        axes.grid(True)

    return svg("pose", (5.0, 4.2), plot)


def histogram(coverage: Coverage, name: str, label: str) -> Markup:
    """Plots the number of crops by one of `coverage.AXES`, from the first filled bin to the last.

    Args:
      coverage: counts of the data set.
      name: name of the axis.
      label: label of the axis, with its unit.
    """

    def plot(axes: Axes) -> None:
        counts, edges = coverage.counts[name], AXES[name].edges
        filled = np.flatnonzero(counts)
        part = slice(filled[0] if len(filled) else 0, filled[-1] + 1 if len(filled) else 1)
        axes.bar(edges[:-1][part], counts[part], AXES[name].step, align="edge", color=BLUES[0])
        axes.set(xlabel=label, ylabel="crops")
        axes.grid(True, axis="y")

    return svg(name, (5.0, 2.4), plot)


def timeline(videos: Sequence[VideoCard]) -> Markup:
    """Plots when the person is visible: a row a video, a bar a track, red gaps, a line a cut.

    Args:
      videos: cards of the videos.
    """

    def plot(axes: Axes) -> None:
        for row, video in enumerate(videos):
            tracks = [(track.first_us, track.last_us) for track in video.tracks]
            gaps = [gap for track in video.tracks for gap in track.gaps]
            shades = [BLUES[i % 2] for i in range(len(tracks))]
            axes.broken_barh(_seconds(tracks), (row - 0.3, 0.6), color=shades)
            axes.broken_barh(_seconds(gaps), (row - 0.3, 0.6), color=RED)
            cuts = np.array(video.cuts) / video.fps
            axes.vlines(cuts, row - 0.45, row + 0.45, color=TEXT_COLOUR, linestyle=":", linewidth=1)
        end = max(video.duration_us for video in videos) / 1e6
        axes.set(xlim=(0, end), xlabel="seconds", ylim=(len(videos) - 0.4, -0.6))
        axes.set(yticks=range(len(videos)), yticklabels=[_short(video.name) for video in videos])

    return svg("timeline", (10.0, 0.6 + 0.4 * len(videos)), plot)


def _seconds(spans: list[tuple[int, int]]) -> list[tuple[float, float]]:
    return [(start / 1e6, (stop - start) / 1e6) for start, stop in spans]


def _short(name: str) -> str:
    return name if len(name) <= _LABEL else name[: _LABEL - 1] + "…"
