"""The plots of the report, as SVG to be set into a page: its colours, its type, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib import colors
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from data_prep.dataset.coverage import ANGLES, AXES, Coverage

# Drawn in this colour, which nothing else has, and shown in that of the text around the plot.
_TEXT = "#010203"
BLUES, RED = ("#3b82f6", "#1d4ed8"), "#ef4444"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _TEXT,
    "axes.edgecolor": _TEXT,
    "axes.labelcolor": _TEXT,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
    "grid.color": _TEXT,
    "grid.alpha": 0.15,
    "savefig.facecolor": "none",
}
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
            axes.vlines(cuts, row - 0.45, row + 0.45, color=_TEXT, linestyle=":", linewidth=1)
        end = max(video["duration_us"] for video in videos) / 1e6
        axes.set(
            xlim=(0, end), xlabel="seconds", ylim=(len(videos) - 0.4, -0.6),
            yticks=range(len(videos)), yticklabels=[_short(video["name"]) for video in videos],
        )  # fmt: skip

    return svg("timeline", (10.0, 0.6 + 0.4 * len(videos)), draw)


def curves(
    name: str,
    across: Sequence[float] | np.ndarray,
    lines: Mapping[str, Sequence[float] | np.ndarray],
    labels: tuple[str, str],
    *,
    levels: Sequence[float] = (),
    limits: tuple[float | None, float | None] = (None, None),
) -> Markup:
    """At most two curves over time, in blue and red.

    Args:
      name: of the plot, see `svg`.
      across: seconds, or images seen, rising.
      lines: by what they are; "" for what needs no name.
      labels: of what lies across and up.
      levels: that are dotted across.
      limits: of what lies up, None to fit.
    """

    def draw(axes: Axes) -> None:
        for (label, values), colour in zip(lines.items(), (BLUES[0], RED), strict=False):
            axes.plot(across, values, color=colour, linewidth=1.2, label=label)
        for level in levels:
            axes.axhline(level, color=_TEXT, linestyle=":", linewidth=1)
        axes.set(xlabel=labels[0], ylabel=labels[1], ylim=limits)
        axes.margins(x=0)
        axes.grid(True)
        if len(lines) > 1:
            axes.legend(loc="upper right", frameon=False, ncols=2)

    return svg(name, (10.0, 2.6), draw)


def svg(name: str, inches: tuple[float, float], draw: Callable[[Axes], None]) -> Markup:
    """Draws a plot into a figure of its own; the same input gives the same text.

    Args:
      name: of the plot in its page: the ids inside of it must differ from those of others.
      inches: width and height.
      draw: what to draw.
    """
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=inches, layout="constrained")
        draw(figure.add_subplot())
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    drawn = text.getvalue()
    return Markup(re.sub(_TEXT, "currentColor", drawn[drawn.index("<svg") :]))


def _seconds(spans: list[tuple[int, int]]) -> list[tuple[float, float]]:
    return [(start / 1e6, (stop - start) / 1e6) for start, stop in spans]


def _short(name: str) -> str:
    return name if len(name) <= _LABEL else name[: _LABEL - 1] + "…"
