"""The page that the demo ends with: pictures, figures and how to read them."""

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
from data_prep.even_spacing import spread
from data_prep.media.video_reader import Span
from data_prep.reporting import html_page, svg_plots
from data_prep.reporting.thumbnails import inline
from launch.benchmarks import harness
from launch.benchmarks.harness import Value
from sagan_jax.evaluation import frame_measurements, results
from sagan_jax.evaluation.metric_definitions import METRICS
from sagan_jax.evaluation.results import Part
from sagan_jax.provenance import manifest, signing
from sagan_jax.provenance.manifest import Origin

_SHEET_FRAMES, _TILE_HEIGHT = 8, 220
Target = tuple[pathlib.Path, Span]


@dataclasses.dataclass(frozen=True)
class Bar:
    """What the demo should reach.

    Attributes:
      value: of the figure.
      more_is_better: which side of it is good.
    """

    value: float
    more_is_better: bool

    def holds(self, value: float | None) -> bool:
        """Whether a value reaches the bar; infinity does, what says nothing does not."""
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
# Also shown; the rest is in the page of each video.
_OTHERS = (
    "retrieval", "blendshape_error", "pose_error", "mouth_correlation", "mouth_gain",
    "eye_correlation", "eye_gain", "gaze_correlation", "flicker", "faces_kept",
    "sharpness_of_source", "seam", "kid", "kid_of_footage", "kid_of_target",
)  # fmt: skip

_TEMPLATE = html_page.template(pathlib.Path(__file__).parent, "demo_report.html.jinja")


@dataclasses.dataclass(frozen=True)
class Cell:
    """A value as text, and "good" or "not-enough" if there is a bar."""

    text: str
    level: str = ""


@dataclasses.dataclass(frozen=True)
class Row:
    """One figure of all clips."""

    title: str
    bar: str
    cells: tuple[Cell, ...]
    meaning: str


def write(out: pathlib.Path, targets: dict[str, Target]) -> None:
    """Writes `metrics.json`, `benchmark.json`, `contact_sheet*.png` and `report.html` of a demo.

    Args:
      out: the demo's folder, all stages done.
      targets: for each swapped video (by name) its target and the part that was converted.
    """
    clips = {
        name: next(iter(results.read(out / f"{name}.metrics.json").parts.values()))
        for name in targets
    }
    stats = [json.loads(line) for line in (out / "model" / "stats.jsonl").read_text().splitlines()]
    holdout = _last_holdout(stats)
    times = json.loads((out / "times.json").read_text())
    values = {name: _values(part) for name, part in clips.items()}
    (out / "metrics.json").write_text(json.dumps({"clips": values, "holdout": holdout}, indent=2))
    rows = list(_rows(clips, holdout))
    _write_benchmark(out / "benchmark.json", rows, list(clips), times)
    sheets = {name: contact_sheet(*target, out / f"{name}.mp4") for name, target in targets.items()}
    for name, sheet in sheets.items():
        path = out / f"{name.replace('swapped', 'contact_sheet')}.png"
        cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
        _seal(path, json.loads((out / f"{name}.json").read_text()))
    preview = iio.imread(max((out / "model" / "previews").glob("*.png")))
    (out / "report.html").write_text(
        _TEMPLATE.render(
            rows=rows,
            signer=signing.signing_identity(),
            clips=clips,
            sheets={name: inline(sheet) for name, sheet in sheets.items()},
            curves={name: _identity(name, part) for name, part in clips.items()},
            preview=inline(preview),
            losses=_losses(stats),
            people=[identity_card.read_card(out / name) for name in "ab"],
            times=times,
        )
    )


def _values(part: Part) -> dict[str, Any]:
    """Counts and figures of one clip, flat; the intervals are in the file of the clip."""
    return dict(part.counts) | {name: part.value(name) for name in part.figures}


def _rows(clips: Mapping[str, Part], holdout: Mapping[str, float]) -> Iterator[Row]:
    for name in (*BARS, *_OTHERS):
        figure, bar = METRICS[name], BARS.get(name)
        unit = f", {figure.unit}" if figure.unit else ""
        cells = tuple(_cell(name, part, bar) for part in clips.values())
        yield Row(f"{figure.title}{unit}", str(bar or "-"), cells, figure.meaning)
    measured = tuple(Cell(f"{p.counts['measured']} / {p.counts['frames']}") for p in clips.values())
    yield Row("frames with a face, of all", "-", measured, "only these are measured")
    for person, value in holdout.items():
        cells = (Cell(f"{value:.3f}"),) + (Cell("-"),) * (len(clips) - 1)
        yield Row(f"reconstruction SSIM of {person}", "-", cells, METRICS["ssim"].meaning)


def _cell(name: str, part: Part, bar: Bar | None) -> Cell:
    figure, estimate = METRICS[name], part.figures[name]
    low, high = (figure.text(results.known(end)) for end in (estimate.low, estimate.high))
    text = f"{figure.text(part.value(name))} ({low} to {high})"
    level = "" if bar is None else "good" if bar.holds(estimate.value) else "not-enough"
    return Cell(text, level)


def _write_benchmark(
    path: pathlib.Path, rows: Sequence[Row], clips: Sequence[str], times: Mapping[str, Any]
) -> None:
    """As a table of the README (`launch.docs_tables`)."""
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
                "Figures, in brackets the interval of 95 %; bars are what the demo set itself",
                figures,
            ),
            harness.Table("Time and memory", stages),
        ],
    )


def _seal(picture: pathlib.Path, record: dict[str, Any]) -> None:
    """Signs a picture that shows what a video shows."""
    identities = tuple(
        {key: one[key] for key in ("identity", "consent", "fingerprint")}
        for one in record["identities"]
    )
    origin = Origin(
        target=record["target"],
        identities=identities,
        rendered=record["rendered"],
        weights=tuple(record["weights"]),
        model=record["model"],
        settings=record["settings"],
        watermark=int(record["watermark"], 16),
    )
    manifest.seal(picture, picture.name, origin, signing.signing_identity())


def contact_sheet(target: pathlib.Path, span: Span, swapped: pathlib.Path) -> np.ndarray:
    """Eight frames evenly spread over a clip, target above, swapped below: `[H, W, 3]` uint8."""
    count = sum(1 for _ in frame_measurements.paired_frames(target, swapped, span))
    chosen = set(spread(count, _SHEET_FRAMES).tolist())
    columns = [
        np.vstack([_tile(frame.image) for frame in pair])
        for index, pair in enumerate(frame_measurements.paired_frames(target, swapped, span))
        if index in chosen
    ]
    return np.hstack(columns)


def _tile(image: np.ndarray) -> np.ndarray:
    width = round(image.shape[1] * _TILE_HEIGHT / image.shape[0])
    return cv2.resize(image, (width, _TILE_HEIGHT), interpolation=cv2.INTER_AREA)


def _last_holdout(stats: list[dict[str, float]]) -> dict[str, float]:
    last = [line for line in stats if "holdout_ssim_a" in line][-1]
    return {"A": last["holdout_ssim_a"], "B": last["holdout_ssim_b"]}


def _identity(name: str, part: Part) -> Markup:
    series = part.series
    lines = {"source": series["similarity_source"], "target": series["similarity_target"]}
    return svg_plots.curves(
        name, series["sampled_seconds"], lines, ("seconds", "cosine"), limits=(-0.2, 1.0)
    )


def _losses(stats: list[dict[str, float]]) -> Markup:
    lines = [line for line in stats if "reconstruction" in line]
    values = {name: [line[name] for line in lines] for name in ("reconstruction", "structure")}
    top = float(np.percentile(np.concatenate(list(values.values())), 98))
    return svg_plots.curves(
        "losses", [line["images"] for line in lines], values, ("images seen", "loss"),
        limits=(0.0, top),
    )  # fmt: skip
