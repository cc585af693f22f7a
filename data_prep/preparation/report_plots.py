"""Plots of the page of a data set: head poses, openings, and when the person is seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib import colors
from matplotlib.axes import Axes

from data_prep.dataset.coverage import ANGLES, AXES, Coverage
from data_prep.reporting.svg_plots import BLUES, RED, TEXT_COLOUR, svg

# Degrees: the mesh reads no further.
_ANGLE_LIMIT = 60


# Characters of a name beside a plot.
_LABEL = 28


def pose(coverage: Coverage) -> Markup:
    """Crops by yaw (across, to the right of the picture) and pitch (down)."""

    def draw(axes: Axes) -> None:
        edges = ANGLES.edges
        counts = np.ma.masked_equal(coverage.pose.T, 0)
        norm = colors.LogNorm(1, max(int(coverage.pose.max()), 10))
        cells = axes.pcolormesh(edges, edges, counts, norm=norm, cmap="viridis")
        bar = axes.figure.colorbar(cells, ax=axes, label="crops", shrink=0.8)
        bar.outline.set_visible(False)
        axes.set(
            xlim=(-_ANGLE_LIMIT, _ANGLE_LIMIT), ylim=(_ANGLE_LIMIT, -_ANGLE_LIMIT),
            xticks=range(-60, 61, 20), yticks=range(-60, 61, 20), aspect="equal",
            xlabel="left  ←  yaw, degrees  →  right", ylabel="down  ←  pitch, degrees  →  up",
        )  # fmt: skip
        axes.grid(True)

    return svg("pose", (5.0, 4.2), draw)


def histogram(coverage: Coverage, name: str, label: str) -> Markup:
    """Crops by one of `coverage.AXES`; both ends are cut where nothing lies.

    Args:
      coverage: of the data set.
      name: of the axis.
      label: what lies across.
    """

    def draw(axes: Axes) -> None:
        counts, edges = coverage.counts[name], AXES[name].edges
        filled = np.flatnonzero(counts)
        part = slice(filled[0] if len(filled) else 0, filled[-1] + 1 if len(filled) else 1)
        axes.bar(edges[:-1][part], counts[part], AXES[name].step, align="edge", color=BLUES[0])
        axes.set(xlabel=label, ylabel="crops")
        axes.grid(True, axis="y")

    return svg(name, (5.0, 2.4), draw)


def timeline(videos: Sequence[Mapping[str, Any]]) -> Markup:
    """When the person is seen: a row a video, a bar a track, red gaps, a line at every cut.

    Args:
      videos: their `cards.VideoCard`.
    """

    def draw(axes: Axes) -> None:
        for row, video in enumerate(videos):
            tracks = [(t["first_us"], t["last_us"]) for t in video["tracks"]]
            gaps = [(start, stop) for t in video["tracks"] for start, stop in t["gaps"]]
            shades = [BLUES[i % 2] for i in range(len(tracks))]
            axes.broken_barh(_seconds(tracks), (row - 0.3, 0.6), color=shades)
            axes.broken_barh(_seconds(gaps), (row - 0.3, 0.6), color=RED)
            cuts = np.array(video["cuts"]) / video["fps"]
            axes.vlines(cuts, row - 0.45, row + 0.45, color=TEXT_COLOUR, linestyle=":", linewidth=1)
        end = max(video["duration_us"] for video in videos) / 1e6
        axes.set(
            xlim=(0, end), xlabel="seconds", ylim=(len(videos) - 0.4, -0.6),
            yticks=range(len(videos)), yticklabels=[_short(video["name"]) for video in videos],
        )  # fmt: skip

    return svg("timeline", (10.0, 0.6 + 0.4 * len(videos)), draw)


def _seconds(spans: list[tuple[int, int]]) -> list[tuple[float, float]]:
    return [(start / 1e6, (stop - start) / 1e6) for start, stop in spans]


def _short(name: str) -> str:
    return name if len(name) <= _LABEL else name[: _LABEL - 1] + "…"
