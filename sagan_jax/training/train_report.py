"""Report of a training: one self-contained page in its folder."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import imageio.v3 as iio
import numpy as np
from markupsafe import Markup

from data_prep import weights
from data_prep.even_spacing import evenly_spaced
from data_prep.json_records import JsonObject
from data_prep.reporting import html_page, svg_plots
from data_prep.reporting.thumbnails import data_url
from data_prep.runtime.files import write_atomically
from sagan_jax.checkpoints import stats_log
from sagan_jax.checkpoints.facts import CheckpointFacts

NAME = "report.html"
_HERE = pathlib.Path(__file__).parent
_TEMPLATE = html_page.template(_HERE, "train_report.html.jinja")
_PREVIEWS = 3


class _Plot(NamedTuple):
    """A plot of lines of `stats.jsonl` over the images seen.

    Attributes:
      title: heading.
      metrics: logged metrics by label; at most two, "" for a curve that needs no label.
      y_label: label of the y axis.
    """

    title: str
    metrics: dict[str, str]
    y_label: str


_HELD_OUT_PLOTS = (
    _Plot(
        "Held-out crops: perceptual distance, lower is better",
        {"A": "holdout_lpips_a", "B": "holdout_lpips_b"},
        "LPIPS",
    ),
    _Plot(
        "Held-out crops: similarity, higher is better",
        {"A": "holdout_ssim_a", "B": "holdout_ssim_b"},
        "SSIM",
    ),
    _Plot(
        "Held-out crops generated as the other: identity, higher is better",
        {"as A": "holdout_identity_a", "as B": "holdout_identity_b"},
        "identity",
    ),
    _Plot(
        "Held-out crops generated as the other: expression error, lower is better",
        {"as A": "holdout_expression_a", "as B": "holdout_expression_b"},
        "expression, % of the eye distance",
    ),
)
_TRAINING_PLOTS = (
    _Plot(
        "Losses of the generator",
        {"reconstruction": "reconstruction", "structure": "structure"},
        "loss",
    ),
    _Plot(
        "Discriminators: 0, always right, to 1, only guessing",
        {"": "discriminator_doubt"},
        "doubt",
    ),
    _Plot(
        "Norms of the gradients",
        {"generator": "gradient_norm", "discriminators": "discriminator_gradient_norm"},
        "norm",
    ),
    _Plot("Learning rate of the generator", {"": "rate"}, "rate"),
)


def write(workdir: pathlib.Path, facts: CheckpointFacts, best: int | None) -> pathlib.Path:
    """Writes `report.html` for a finished run and returns its path.

    Args:
      workdir: the training folder.
      facts: facts of its checkpoints.
      best: step of the best checkpoint, None if there is none.
    """
    # Metrics of the training and of held-out crops are lines of their own.
    lines, batch = stats_log.read(workdir), facts.config.batch
    trained = [line for line in lines if "generator" in line]
    held_out = [line for line in lines if "holdout_ssim_a" in line]
    path = workdir / NAME
    page = _TEMPLATE.render(
        facts=facts,
        last=trained[-1],
        held_out=held_out,
        best_images=None if best is None else best * 2 * batch,
        speed=_median(trained, "images_per_second"),
        step_ms=_median(trained, "step_ms"),
        tflops=_median(trained, "tflops"),
        share_of_peak=_median(trained, "share_of_peak"),
        curves=[*_curves(held_out, _HELD_OUT_PLOTS), *_curves(trained, _TRAINING_PLOTS)],
        previews=list(_previews(workdir / "previews")),
        limited=weights.non_commercial(facts.models_behind),
        non_commercial=weights.NON_COMMERCIAL,
    )
    with write_atomically(path) as aside:
        aside.write_text(page)
    return path


def _median(lines: Sequence[JsonObject], name: str) -> float:
    """Median of a metric over the lines that have it; NaN if none has."""
    return float(np.median([line[name] for line in lines if name in line] or [np.nan]))


def _curves(lines: Sequence[JsonObject], plots: Sequence[_Plot]) -> Iterator[tuple[str, Markup]]:
    """Title and SVG of each plot whose metrics were logged at least twice."""
    images = [line["images"] for line in lines]
    for plot in plots:
        values = {
            label: np.array([line.get(name) for line in lines], np.float64)
            for label, name in plot.metrics.items()
            if any(line.get(name) is not None for line in lines)
        }
        if len(images) > 1 and values:
            name = next(iter(plot.metrics.values()))
            yield plot.title, svg_plots.curves(name, images, values, ("images seen", plot.y_label))


def _previews(folder: pathlib.Path) -> Iterator[tuple[int, str]]:
    """Images seen, and data URL, of a few evenly spaced previews, the newest first."""
    paths = sorted(folder.glob("[0-9]*[0-9].png"), reverse=True)
    for i in evenly_spaced(len(paths), _PREVIEWS):
        yield int(paths[i].stem), data_url(iio.imread(paths[i]))
