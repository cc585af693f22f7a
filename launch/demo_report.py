"""The page at the end of the demo: images, metrics and how to read them."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cv2
import imageio.v3 as iio
import numpy as np
from markupsafe import Markup

from data_prep.dataset import identity_card
from data_prep.json_records import JsonObject
from data_prep.media.video_reader import Span
from data_prep.reporting import html_page, svg_plots
from data_prep.reporting.thumbnails import data_url
from launch.benchmarks import harness
from launch.benchmarks.harness import Value
from sagan_jax.conversion import sidecar
from sagan_jax.evaluation import report, results
from sagan_jax.evaluation.results import METRICS, Part
from sagan_jax.provenance import manifest, signing

Target = tuple[pathlib.Path, Span]


@dataclasses.dataclass(frozen=True)
class Bar:
    """Value of a metric that the demo should reach.

    Attributes:
      value: threshold.
      more_is_better: whether values above or below the threshold are good.
    """

    value: float
    more_is_better: bool

    def holds(self, value: float | None) -> bool:
        """Whether a value reaches the bar; infinity may, None and NaN do not."""
        if value is None or np.isnan(value):
            return False
        return value >= self.value if self.more_is_better else value <= self.value

    def __str__(self) -> str:
        return f"at {'least' if self.more_is_better else 'most'} {self.value:g}"


BARS = {
    "transfer": Bar(0.65, True),
    "source_wins": Bar(0.99, True),
    "expression_error": Bar(3.5, False),
    "jitter": Bar(1.1, False),
    "sharpness": Bar(0.8, True),
    "background_psnr": Bar(42.0, True),
}
# Metrics without a bar that the page shows; all others are on the pages of the videos.
_OTHERS = (
    "retrieval",
    "blendshape_error",
    "pose_error",
    "mouth_correlation",
    "mouth_gain",
    "eye_correlation",
    "eye_gain",
    "gaze_correlation",
    "flicker",
    "faces_kept",
    "sharpness_of_source",
    "seam",
    "kid",
    "kid_of_footage",
    "kid_of_target",
)

_TEMPLATE = html_page.template(pathlib.Path(__file__).parent, "demo_report.html.jinja")


@dataclasses.dataclass(frozen=True)
class Cell:
    """A formatted value.

    Attributes:
      text: value with its interval.
      level: "good" or "not-enough" if the metric has a bar, else "".
    """

    text: str
    level: str = ""


@dataclasses.dataclass(frozen=True)
class Row:
    """One metric of all clips.

    Attributes:
      title: name of the metric, with its unit.
      bar: formatted bar, "-" for none.
      cells: one value for each clip.
      meaning: how to read the values.
    """

    title: str
    bar: str
    cells: tuple[Cell, ...]
    meaning: str


def write(out: pathlib.Path, targets: dict[str, Target]) -> None:
    """Writes `metrics.json`, `benchmark.json`, `contact_sheet*.png` and `report.html` of a demo.

    Args:
      out: folder of the demo, in which all stages are done.
      targets: by name of each swapped video, its target and the part that was converted.
    """
    # The evaluation of a clip has a single part.
    clips = {
        name: next(iter(results.read(out / f"{name}.metrics.json").parts.values()))
        for name in targets
    }
    stats = [json.loads(line) for line in (out / "model" / "stats.jsonl").read_text().splitlines()]
    holdout = _last_holdout_ssim(stats)
    times = json.loads((out / "times.json").read_text())

    # The same numbers go into three files: flat for other programs, as tables, and as a page.
    values = {name: _values(part) for name, part in clips.items()}
    (out / "metrics.json").write_text(json.dumps({"clips": values, "holdout": holdout}, indent=2))
    rows = list(_rows(clips, holdout))
    _write_benchmark(out / "benchmark.json", rows, list(clips), times)
    sheets = _write_contact_sheets(out, targets)
    # Previews are named by the padded number of images trained on, so the last name is the newest.
    preview = iio.imread(max((out / "model" / "previews").glob("*.png")))
    (out / "report.html").write_text(
        _TEMPLATE.render(
            rows=rows,
            signer=signing.signing_identity(),
            clips=clips,
            sheets={name: data_url(sheet) for name, sheet in sheets.items()},
            curves={name: _identity_plot(name, part) for name, part in clips.items()},
            preview=data_url(preview),
            losses=_loss_plot(stats),
            people=[identity_card.read_card(out / name) for name in "ab"],
            times=times,
        )
    )


def seal(image: pathlib.Path, video: pathlib.Path) -> None:
    """Signs an image that shows frames of a converted video, with the origin of the video.

    Args:
      image: path of the image; a manifest is added to it.
      video: path of the video, which has its record beside it.
    """
    origin = sidecar.read(video).origin
    manifest.seal(image, image.name, origin, signing.signing_identity())


def _values(part: Part) -> JsonObject:
    """Counts and metrics of one clip, flat; the clip's own file has the intervals as well."""
    return dict(part.counts) | {name: part.value(name) for name in part.metrics}


def _rows(clips: Mapping[str, Part], holdout: Mapping[str, float]) -> Iterator[Row]:
    for name in (*BARS, *_OTHERS):
        metric, bar = METRICS[name], BARS.get(name)
        unit = f", {metric.unit}" if metric.unit else ""
        cells = tuple(_cell(name, part, bar) for part in clips.values())
        yield Row(f"{metric.title}{unit}", str(bar or "-"), cells, metric.meaning)
    measured = tuple(Cell(f"{p.counts['measured']} / {p.counts['frames']}") for p in clips.values())
    yield Row("frames with a face, of all", "-", measured, "only these are measured")
    # The model has one value for each person, not one for each clip.
    for person, value in holdout.items():
        cells = (Cell(f"{value:.3f}"),) + (Cell("-"),) * (len(clips) - 1)
        yield Row(f"reconstruction SSIM of {person}", "-", cells, METRICS["ssim"].meaning)


def _cell(name: str, part: Part, bar: Bar | None) -> Cell:
    metric, estimate = METRICS[name], part.metrics[name]
    low, high = (
        metric.format(results.finite_or_none(end)) for end in (estimate.low, estimate.high)
    )
    text = f"{metric.format(part.value(name))} ({low} to {high})"
    if bar is None:
        return Cell(text)
    return Cell(text, "good" if bar.holds(estimate.value) else "not-enough")


def _write_benchmark(
    path: pathlib.Path, rows: Sequence[Row], clips: Sequence[str], times: Mapping[str, Any]
) -> None:
    """Writes the tables that `launch.docs_tables` reads."""
    # Cells are already formatted: value and interval share one column.
    figures: list[dict[str, Value]] = []
    for row in rows:
        cells = {f"{clip}.mp4": cell.text for clip, cell in zip(clips, row.cells, strict=True)}
        figures.append({"figure": row.title, "bar": row.bar, **cells})
    stages: list[dict[str, Value]] = [
        {"stage": name, "seconds": one["seconds"], "peak memory, GiB": one["memory_gib"]}
        for name, one in times.items()
    ]
    measurement = harness.Measurement.here("make demo")
    measurement.write(
        path,
        [
            harness.Table(
                "Metrics, in brackets the 95 % confidence interval; bars are the demo's own goals",
                figures,
            ),
            harness.Table("Time and memory", stages),
        ],
    )


def _write_contact_sheets(
    out: pathlib.Path, targets: Mapping[str, Target]
) -> dict[str, np.ndarray]:
    """Writes and signs a contact sheet of each video; returns them by name of the video."""
    sheets = {}
    for name, target in targets.items():
        sheets[name] = report.contact_sheet(*target, out / f"{name}.mp4")
        path = out / f"{name.replace('swapped', 'contact_sheet')}.png"
        cv2.imwrite(str(path), cv2.cvtColor(sheets[name], cv2.COLOR_RGB2BGR))
        seal(path, out / f"{name}.mp4")
    return sheets


def _last_holdout_ssim(stats: list[dict[str, float]]) -> dict[str, float]:
    last = [line for line in stats if "holdout_ssim_a" in line][-1]
    return {"A": last["holdout_ssim_a"], "B": last["holdout_ssim_b"]}


def _identity_plot(name: str, part: Part) -> Markup:
    series = part.series
    lines = {"source": series["similarity_source"], "target": series["similarity_target"]}
    return svg_plots.curves(
        name, series["sampled_seconds"], lines, ("seconds", "cosine"), limits=(-0.2, 1.0)
    )


def _loss_plot(stats: list[dict[str, float]]) -> Markup:
    lines = [line for line in stats if "reconstruction" in line]
    values = {name: [line[name] for line in lines] for name in ("reconstruction", "structure")}
    # The first losses are so high that they would flatten the rest of the curves.
    top = float(np.percentile(np.concatenate(list(values.values())), 98))
    return svg_plots.curves(
        "losses",
        [line["images"] for line in lines],
        values,
        ("images seen", "loss"),
        limits=(0.0, top),
    )
