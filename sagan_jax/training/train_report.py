"""What came of a training, to look at: one self-contained page in its folder."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import imageio.v3 as iio
import numpy as np
from markupsafe import Markup

from data_prep import weights
from data_prep.even_spacing import spread
from data_prep.reporting import html_page, svg_plots
from data_prep.reporting.thumbnails import inline
from sagan_jax.checkpoints import stats_log
from sagan_jax.checkpoints.checkpoint import Facts, learned_from, models_behind

NAME = "report.html"
_HERE = pathlib.Path(__file__).parent
_TEMPLATE = html_page.template(_HERE, "train_report.html.jinja")
_PREVIEWS = 3


def write(workdir: pathlib.Path, facts: Facts, best: int | None) -> pathlib.Path:
    """Writes `report.html` for a finished run and returns its path.

    Args:
      workdir: the training folder.
      facts: of its checkpoints.
      best: step of the best one.
    """
    lines, batch = stats_log.read(workdir), facts["config"]["batch"]
    trained = [line for line in lines if "generator" in line]
    held_out = [line for line in lines if "holdout_ssim_a" in line]
    path = workdir / NAME
    page = _TEMPLATE.render(
        facts=facts,
        learned_from=learned_from(facts),
        last=trained[-1],
        held_out=held_out,
        best_images=None if best is None else best * 2 * batch,
        speed=_median(trained, "images_per_second"),
        step_ms=_median(trained, "step_ms"),
        tflops=_median(trained, "tflops"),
        share_of_peak=_median(trained, "share_of_peak"),
        curves=list(_curves(trained, held_out)),
        previews=list(_previews(workdir / "previews")),
        limited=weights.non_commercial(models_behind(facts)),
        non_commercial=weights.NON_COMMERCIAL,
    )
    aside = path.with_name(f".{NAME}.partial")
    aside.write_text(page)
    aside.replace(path)
    return path


def _median(lines: Sequence[dict[str, Any]], name: str) -> float:
    return float(np.median([line[name] for line in lines if name in line] or [np.nan]))


def _curves(
    trained: Sequence[dict[str, Any]], held_out: Sequence[dict[str, Any]]
) -> Iterator[tuple[str, Markup]]:
    for title, lines, names, label in (
        ("Held-out crops: perceptual distance, lower is better", held_out,
         {"A": "holdout_lpips_a", "B": "holdout_lpips_b"}, "LPIPS"),
        ("Held-out crops: similarity, higher is better", held_out,
         {"A": "holdout_ssim_a", "B": "holdout_ssim_b"}, "SSIM"),
        ("Held-out crops drawn as the other: identity, higher is better", held_out,
         {"as A": "holdout_identity_a", "as B": "holdout_identity_b"}, "identity"),
        ("Held-out crops drawn as the other: expression error, lower is better", held_out,
         {"as A": "holdout_expression_a", "as B": "holdout_expression_b"},
         "expression, % of the eye distance"),
        ("Losses of the generator", trained,
         {"reconstruction": "reconstruction", "structure": "structure"}, "loss"),
        ("Critics: 0, always right, to 1, only guessing", trained, {"": "critic_doubt"}, "doubt"),
        ("Norms of the gradients", trained,
         {"generator": "gradient_norm", "critics": "critic_gradient_norm"}, "norm"),
        ("Learning rate of the generator", trained, {"": "rate"}, "rate"),
    ):  # fmt: skip
        images = [line["images"] for line in lines]
        values = {
            label: np.array([line.get(name) for line in lines], np.float64)
            for label, name in names.items()
            if any(line.get(name) is not None for line in lines)
        }
        if len(images) > 1 and values:
            name = next(iter(names.values()))
            yield title, svg_plots.curves(name, images, values, ("images seen", label))


def _previews(folder: pathlib.Path) -> Iterator[tuple[int, str]]:
    """Images seen and picture of a few, evenly spaced, the newest first."""
    paths = sorted(folder.glob("[0-9]*[0-9].png"), reverse=True)
    for i in spread(len(paths), _PREVIEWS):
        yield int(paths[i].stem), inline(iio.imread(paths[i]))
