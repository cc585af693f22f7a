"""Plots of a report, as SVG inside its page: in the font and the text colour of the page."""

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

# Stands for the colour of the text around the plot, which is only known to the browser and may be
# light or dark. Nothing else may have this colour: `svg` replaces it by `currentColor`.
TEXT_COLOUR = "#010203"
BLUES, RED = ("#3b82f6", "#1d4ed8"), "#ef4444"
_STYLE: dict[Any, Any] = {
    # Text stays text, so that the page chooses the font and a reader can search it.
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
    """Plots at most two curves over time, in blue and red.

    Args:
      name: name of the plot, see `svg`.
      across: x values, rising: seconds, or images seen.
      lines: y values of each curve by its label; "" for a curve that needs none.
      labels: labels of the x and the y axis.
      levels: y values to mark with a dotted line.
      limits: lower and upper limit of the y axis, None to fit the curves.
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
      name: name of the plot, unique in its page: the ids inside the SVG are derived from it.
      inches: width and height.
      draw: draws into the given axes.
    """
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=inches, layout="constrained")
        draw(figure.add_subplot())
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    # An HTML page takes the element without the XML declaration before it.
    document = text.getvalue()
    element = document[document.index("<svg") :]
    return Markup(re.sub(TEXT_COLOUR, "currentColor", element))
