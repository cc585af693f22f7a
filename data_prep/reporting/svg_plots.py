"""The plots of the report, as SVG to be set into a page: its colours, its type, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Drawn in this colour, which nothing else has, and shown in that of the text around the plot.
TEXT_COLOUR = "#010203"
BLUES, RED = ("#3b82f6", "#1d4ed8"), "#ef4444"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": TEXT_COLOUR,
    "axes.edgecolor": TEXT_COLOUR,
    "axes.labelcolor": TEXT_COLOUR,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": TEXT_COLOUR,
    "ytick.color": TEXT_COLOUR,
    "grid.color": TEXT_COLOUR,
    "grid.alpha": 0.15,
    "savefig.facecolor": "none",
}


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
            axes.axhline(level, color=TEXT_COLOUR, linestyle=":", linewidth=1)
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
    return Markup(re.sub(TEXT_COLOUR, "currentColor", drawn[drawn.index("<svg") :]))
