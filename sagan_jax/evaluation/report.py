"""An evaluation to look at: one self-contained HTML file with figures, curves and pictures."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import cv2
import numpy as np
from markupsafe import Markup

from data_prep.even_spacing import spread
from data_prep.media.coded_frame import CodedFrame
from data_prep.reporting import html_page, svg_plots, thumbnails
from sagan_jax.evaluation import comparison
from sagan_jax.evaluation.comparison import Column
from sagan_jax.evaluation.evaluate_checkpoint import GeneratedCrops
from sagan_jax.evaluation.frame_measurements import Observation
from sagan_jax.evaluation.results import Evaluation, Part
from sagan_jax.provenance.marking import FrameMarker, Marks

_SHOWN = 4
_TILE = 128
_SYNTHETIC = "synthetic"
_TEMPLATE = html_page.template(pathlib.Path(__file__).parent, "report.html.jinja")


@dataclasses.dataclass(frozen=True)
class Block:
    """A piece of the page.

    Attributes:
      title: of it.
      text: how to read it.
      tiles: picture, as `data:` address, and caption.
      size: of the tiles, a class of the page: "", "large" or "wider".
      plot: SVG, "" for none.
    """

    title: str
    text: str
    tiles: tuple[tuple[str, str], ...] = ()
    size: str = ""
    plot: Markup = Markup("")


def write_clip(path: pathlib.Path, evaluation: Evaluation, seen: Observation) -> None:
    """The page of a swapped video."""
    (title,) = evaluation.parts
    part = evaluation.parts[title]
    blocks = [_strip(seen), *_moments(part, seen), *_curves(part)]
    _write(path, f"{title}: evaluation", evaluation, blocks)


def write_checkpoint(
    path: pathlib.Path, evaluation: Evaluation, drawn: Mapping[str, GeneratedCrops]
) -> None:
    """The page of a checkpoint."""
    blocks = [_sheet(title, one) for title, one in drawn.items()]
    _write(path, "Checkpoint: evaluation on held-out crops", evaluation, blocks)


def write_comparison(path: pathlib.Path, columns: Sequence[Column]) -> None:
    """The page of several evaluations, figure by figure."""
    page = _TEMPLATE.render(
        title="Evaluations compared", columns=columns, rows=list(comparison.rows(columns)),
        blocks=[], subject={}, compared=True,
    )  # fmt: skip
    _put(path, page)


def _write(path: pathlib.Path, title: str, evaluation: Evaluation, blocks: Sequence[Block]) -> None:
    columns = comparison.of(evaluation)
    page = _TEMPLATE.render(
        title=title, columns=columns, rows=list(comparison.rows(columns)), blocks=blocks,
        subject=evaluation.subject, compared=False,
    )  # fmt: skip
    _put(path, page)


def _put(path: pathlib.Path, page: str) -> None:
    aside = path.with_name(f".{path.name}.partial")
    aside.write_text(page)
    aside.replace(path)


def _strip(seen: Observation) -> Block:
    tiles = tuple((thumbnails.inline(image), f"{second:.1f} s") for second, image in seen.strip)
    return Block("Side by side", "Target above, swap below; evenly spread over the clip.", tiles)


def _moments(part: Part, seen: Observation) -> Iterator[Block]:
    """Worst and best of the sampled frames."""
    expression = part.series["expression_error"][seen.sampled.at]
    lead = part.series["similarity_source"] - part.series["similarity_target"]
    both = expression.argsort().argsort() + (-lead).argsort().argsort()
    for title, text, order in (
        ("Worst expression", "The face does least what the target's does.", -expression),
        ("Worst identity", "Least like the source, most like the target.", lead),
        ("Worst seam", "The steepest new step along the edge.", -seen.sampled.seam),
        ("Best", "Expression and identity together.", both),
    ):
        tiles = tuple(
            (thumbnails.inline(np.hstack(seen.sampled.crops[i][::-1])), _caption(part, seen, i))
            for i in _apart(order, seen.every.seconds[seen.sampled.at])
        )
        yield Block(title, f"{text} Target left, swap right.", tiles, "wider")


def _apart(order: np.ndarray, seconds: np.ndarray) -> list[int]:
    """Positions of the least values, no two within a second of each other."""
    chosen: list[int] = []
    for i in order.argsort(kind="stable"):
        if len(chosen) < _SHOWN and all(abs(seconds[i] - seconds[j]) > 1 for j in chosen):
            chosen.append(int(i))
    return chosen


def _caption(part: Part, seen: Observation, i: int) -> str:
    at, series = seen.sampled.at[i], part.series
    return (
        f"{seen.every.seconds[at]:.1f} s: source {series['similarity_source'][i]:.2f}, target "
        f"{series['similarity_target'][i]:.2f}, expression {series['expression_error'][at]:.1f} %"
    )


def _curves(part: Part) -> Iterator[Block]:
    series = part.series
    levels = [level for name in ("ceiling", "baseline") if (level := part.value(name)) is not None]
    yield Block(
        "Identity over time",
        "Cosine with the source and with the target. Dotted: held-out footage of the source "
        "(above), and the target itself, without a swap (below).",
        plot=svg_plots.curves(
            "identity",
            series["sampled_seconds"],
            {"source": series["similarity_source"], "target": series["similarity_target"]},
            ("seconds", "cosine"),
            levels=levels,
        ),
    )
    yield Block(
        "Expression error over time",
        "Distance of the meshes of swap and target.",
        plot=svg_plots.curves(
            "expression",
            series["seconds"],
            {"": series["expression_error"]},
            ("seconds", "% of eye distance"),
        ),
    )
    for name, title, unit in (
        ("mouth", "Mouth over time", "opening over eye distance"),
        ("eyes", "Eyes over time", "height over width of the eyes"),
        ("gaze", "Gaze over time", "to the right, over eye width"),
        ("brightness", "Brightness of the face over time", "grey levels"),
    ):
        lines = {"swap": series[f"{name}_swapped"], "target": series[f"{name}_target"]}
        plot = svg_plots.curves(name, series["seconds"], lines, ("seconds", unit))
        yield Block(title, "The nearer the curves, the better.", plot=plot)


def _sheet(title: str, drawn: GeneratedCrops) -> Block:
    tiles = []
    for i in spread(len(drawn.real), 2 * _SHOWN):
        seen = [drawn.crop_window.back(row[i], _TILE) for row in (drawn.real, drawn.rgb)]
        column = [*seen, cv2.resize(drawn.pasted[i], (_TILE, _TILE))]
        tiles.append((thumbnails.inline(_labelled(np.vstack(column))), ""))
    return Block(
        title, "Above what was drawn after, then what the network drew, then that in its crop.",
        tuple(tiles),
    )  # fmt: skip


def _labelled(image: np.ndarray) -> np.ndarray:
    """With a visible mark: these come from no marked video."""
    height, width = image.shape[:2]
    mark = FrameMarker(Marks(signer=None, label=_SYNTHETIC), height, width, payload=0)
    picture = CodedFrame.of_rgb(0, 0, image)
    mark(picture, np.ones((height, width), np.float32))
    return picture.rgb()
