"""Reports of evaluations: self-contained HTML pages with metrics, curves and images."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import cv2
import numpy as np
from markupsafe import Markup

from data_prep.even_spacing import evenly_spaced
from data_prep.media.coded_frame import CodedFrame
from data_prep.media.video_reader import Span
from data_prep.reporting import html_page, svg_plots, thumbnails
from data_prep.runtime.files import write_atomically
from sagan_jax.evaluation import comparison, frame_measurements
from sagan_jax.evaluation.comparison import Column
from sagan_jax.evaluation.evaluate_checkpoint import GeneratedCrops
from sagan_jax.evaluation.frame_measurements import ClipMeasurements
from sagan_jax.evaluation.results import Evaluation, Part
from sagan_jax.provenance.marking import FrameMarker, Marks

# Number of moments in each block of a clip's page, and minimum time between two of them.
_MOMENTS, _MIN_APART_S = 4, 1
_CROPS_PER_PART, _CROP_SIDE = 8, 128
_SHEET_FRAMES = 8
_SYNTHETIC = "synthetic"
_TEMPLATE = html_page.template(pathlib.Path(__file__).parent, "report.html.jinja")


@dataclasses.dataclass(frozen=True)
class Block:
    """A section of the page with images or a plot.

    Attributes:
      title: heading.
      text: how to read the block.
      tiles: images as `data:` URLs, each with its caption.
      size: CSS class of the tiles: "", "large" or "wider".
      plot: SVG, "" for none.
    """

    title: str
    text: str
    tiles: tuple[tuple[str, str], ...] = ()
    size: str = ""
    plot: Markup = Markup("")


def write_clip(path: pathlib.Path, evaluation: Evaluation, measurements: ClipMeasurements) -> None:
    """Writes the page of a swapped video."""
    (title,) = evaluation.parts
    part = evaluation.parts[title]
    blocks = [_strip(measurements), *_moments(part, measurements), *_curves(part)]
    _write_evaluation(path, f"{title}: evaluation", evaluation, blocks)


def write_checkpoint(
    path: pathlib.Path, evaluation: Evaluation, generated: Mapping[str, GeneratedCrops]
) -> None:
    """Writes the page of a checkpoint."""
    blocks = [_crops(title, crops) for title, crops in generated.items()]
    _write_evaluation(path, "Checkpoint: evaluation on held-out crops", evaluation, blocks)


def write_comparison(path: pathlib.Path, columns: Sequence[Column]) -> None:
    """Writes the page of several evaluations, one row for each metric."""
    page = _TEMPLATE.render(
        title="Evaluations compared",
        columns=columns,
        rows=list(comparison.rows(columns)),
        blocks=[],
        subject={},
        compared=True,
    )
    _write(path, page)


def contact_sheet(target: pathlib.Path, span: Span, swapped: pathlib.Path) -> np.ndarray:
    """Eight frames evenly spread over a clip, target above, swap below: `[440, W, 3]` uint8.

    Args:
      target: the original video.
      span: part of the target that was converted.
      swapped: the converted video.
    """
    # The frames are decoded twice: a container may state a wrong number of frames.
    count = sum(1 for _ in frame_measurements.paired_frames(target, swapped, span))
    chosen = set(evenly_spaced(count, _SHEET_FRAMES).tolist())
    columns = [
        frame_measurements.stack_pair(before.image, after.image)
        for i, (before, after) in enumerate(frame_measurements.paired_frames(target, swapped, span))
        if i in chosen
    ]
    return np.hstack(columns)


def _write_evaluation(
    path: pathlib.Path, title: str, evaluation: Evaluation, blocks: Sequence[Block]
) -> None:
    columns = comparison.columns_of(evaluation)
    page = _TEMPLATE.render(
        title=title,
        columns=columns,
        rows=list(comparison.rows(columns)),
        blocks=blocks,
        subject=evaluation.subject,
        compared=False,
    )
    _write(path, page)


def _write(path: pathlib.Path, page: str) -> None:
    with write_atomically(path) as aside:
        aside.write_text(page)


def _strip(measurements: ClipMeasurements) -> Block:
    tiles = tuple(
        (thumbnails.data_url(image), f"{second:.1f} s") for second, image in measurements.strip
    )
    return Block("Side by side", "Target above, swap below; evenly spread over the clip.", tiles)


def _moments(part: Part, measurements: ClipMeasurements) -> Iterator[Block]:
    """Blocks of the worst and best sampled frames."""
    sampled, seconds = measurements.sampled, measurements.sampled_seconds
    expression = part.series["expression_error"][sampled.at]
    lead = part.series["similarity_source"] - part.series["similarity_target"]
    # Expression and identity have different units: the best moments have the best sum of ranks.
    ranks = expression.argsort().argsort() + (-lead).argsort().argsort()
    for title, text, cost in (
        ("Worst expression", "The face differs most from what the target's does.", -expression),
        ("Worst identity", "Least like the source, most like the target.", lead),
        ("Worst seam", "The steepest new step along the edge.", -sampled.seam),
        ("Best", "Expression and identity together.", ranks),
    ):
        tiles = tuple(
            (
                thumbnails.data_url(np.hstack(sampled.crops[i][::-1])),
                _caption(part, measurements, i),
            )
            for i in _least_apart(cost, seconds)
        )
        yield Block(title, f"{text} Target left, swap right.", tiles, "wider")


def _least_apart(cost: np.ndarray, seconds: np.ndarray) -> list[int]:
    """Positions of the least values, no two within a second of each other."""
    chosen: list[int] = []
    for i in cost.argsort(kind="stable"):
        apart = all(abs(seconds[i] - seconds[j]) > _MIN_APART_S for j in chosen)
        if len(chosen) < _MOMENTS and apart:
            chosen.append(int(i))
    return chosen


def _caption(part: Part, measurements: ClipMeasurements, i: int) -> str:
    at, series = measurements.sampled.at[i], part.series
    return (
        f"{measurements.every.seconds[at]:.1f} s: "
        f"source {series['similarity_source'][i]:.2f}, "
        f"target {series['similarity_target'][i]:.2f}, "
        f"expression {series['expression_error'][at]:.1f} %"
    )


def _curves(part: Part) -> Iterator[Block]:
    """Blocks with one plot over time each."""
    # Dotted lines mark where identity starts and how far it could get; either may be undefined.
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
    # There is nothing to compare the error with: it is a single curve without a name.
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
    # These quantities are measured in both videos, so the curves can be compared directly.
    for name, title, unit in (
        ("mouth", "Mouth over time", "opening over eye distance"),
        ("eyes", "Eyes over time", "height over width of the eyes"),
        ("gaze", "Gaze over time", "to the right, over eye width"),
        ("brightness", "Brightness of the face over time", "grey levels"),
    ):
        lines = {"swap": series[f"{name}_swapped"], "target": series[f"{name}_target"]}
        plot = svg_plots.curves(name, series["seconds"], lines, ("seconds", unit))
        yield Block(title, "The nearer the curves, the better.", plot=plot)


def _crops(title: str, generated: GeneratedCrops) -> Block:
    """Block of rendered crops, one column each."""
    tiles = []
    for i in evenly_spaced(len(generated.real), _CROPS_PER_PART):
        real, rgb = (
            generated.crop_window.back(images[i], _CROP_SIDE)
            for images in (generated.real, generated.rgb)
        )
        # The network output is stretched back to the crop, so that all three are aligned.
        pasted = cv2.resize(generated.pasted[i], (_CROP_SIDE, _CROP_SIDE))
        tiles.append((thumbnails.data_url(_labelled(np.vstack([real, rgb, pasted]))), ""))
    text = "From top to bottom: real crop, network output, network output pasted into the crop."
    return Block(title, text, tuple(tiles))


def _labelled(image: np.ndarray) -> np.ndarray:
    """Adds a visible label: these images come from no video that was marked already."""
    height, width = image.shape[:2]
    mark = FrameMarker(Marks(signer=None, label=_SYNTHETIC), height, width, payload=0)
    frame = CodedFrame.from_rgb(0, 0, image)
    mark(frame, np.ones((height, width), np.float32))
    return frame.rgb()
