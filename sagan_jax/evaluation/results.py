"""Results of an evaluation: the metrics, their values with intervals, and the file of both."""

from __future__ import annotations

import dataclasses
import enum
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_prep import json_records, weights
from data_prep.errors import InputError
from data_prep.json_records import JsonObject
from sagan_jax.evaluation.bootstrap import Estimate

SCHEMA_VERSION = "2.0.0"
# Networks that the metrics rely on; no loss uses any of them.
JUDGES = (weights.SFACE, weights.FACE_LANDMARKER, weights.EFFICIENTNET)


class Better(enum.StrEnum):
    """Direction in which a metric improves."""

    MORE = "more"
    LESS = "less"
    ONE = "near 1"
    NEITHER = "neither"


@dataclasses.dataclass(frozen=True)
class Metric:
    """Definition of a metric: how to read its values.

    Attributes:
      name: key under which values are stored.
      title: name for people.
      unit: unit of the values, "" for none.
      least: smallest possible value, None for no limit.
      most: largest possible value, None for no limit.
      better: direction in which it improves.
      meaning: explanation for people.
      decimals: number of decimals to print.
    """

    name: str
    title: str
    unit: str
    least: float | None
    most: float | None
    better: Better
    meaning: str
    decimals: int = 2

    @property
    def range(self) -> str:
        """Possible values in words."""
        if self.least is None:
            return "any" if self.most is None else f"up to {self.most:g}"
        return f"from {self.least:g}" if self.most is None else f"{self.least:g} to {self.most:g}"

    def format(self, value: float | None) -> str:
        """Formats a value; None becomes "-"."""
        return "-" if value is None else f"{value:.{self.decimals}f}"

    def is_better(self, value: float, other: float) -> bool:
        """Whether `value` is better than `other`."""
        if self.better is Better.ONE:
            return abs(value - 1) < abs(other - 1)
        return value > other if self.better is Better.MORE else value < other


_MORE, _LESS, _ONE, _NEITHER = Better.MORE, Better.LESS, Better.ONE, Better.NEITHER

_DEFINITIONS = (
    # Identity.
    Metric("transfer", "identity transfer", "", None, None, _MORE,
           "0: still the target person; 1: as similar to the source as held-out footage of the "
           "source. By SFace, a network that no loss uses"),
    Metric("source_wins", "source wins", "", 0, 1, _MORE,
           "share of frames nearer to the source than to the target", 3),
    Metric("retrieval", "top-1 retrieval", "", 0, 1, _MORE,
           "share of frames whose nearest image, of 64 of each person, shows the source", 3),
    Metric("similarity_source", "cosine with the source", "", -1, 1, _MORE,
           "mean over the swapped frames; above 0.363 OpenCV calls it the same person"),
    Metric("similarity_target", "cosine with the target", "", -1, 1, _LESS,
           "mean over the swapped frames: how much of the replaced person is left"),
    Metric("baseline", "no swap: cosine with the source", "", -1, 1, _NEITHER,
           "mean over the target's own frames: the point where transfer is 0"),
    Metric("ceiling", "held-out source: cosine with the source", "", -1, 1, _NEITHER,
           "mean over footage of the source not trained on: the point where transfer is 1"),
    # Performance: whether the swapped face does what the target's face does.
    Metric("expression_error", "expression error", "% of eye distance", 0, None, _LESS,
           "distance of the 478-point meshes of swap and target after a similarity fit; about 2 % "
           "only means that faces differ"),
    Metric("blendshape_error", "blendshape error", "", 0, 1, _LESS,
           "mean difference of 51 expression coefficients, each 0 to 1", 3),
    Metric("pose_error", "pose error", "degrees", 0, 180, _LESS,
           "mean difference of yaw, pitch and roll"),
    Metric("mouth_correlation", "correlation of mouth openings", "", -1, 1, _MORE,
           "over time: whether the mouth opens when the target's does"),
    Metric("mouth_gain", "reach of mouth openings", "", None, None, _ONE,
           "how far the mouth opens for one opening of the target's: 1 as far, 0 not at all"),
    Metric("eye_correlation", "correlation of eye openings", "", -1, 1, _MORE,
           "over time: whether the eyes blink and narrow when the target's do"),
    Metric("eye_gain", "reach of eye openings", "", None, None, _ONE,
           "how far the lids move for one movement of the target's: 1 as far, 0 not at all"),
    Metric("gaze_correlation", "correlation of gazes", "", -1, 1, _MORE,
           "over time: whether the irises move in the eyes as the target's do"),
    # Steadiness over time.
    Metric("jitter", "jitter", "", 0, None, _ONE,
           "second differences of the landmarks over time, swap over target"),
    Metric("flicker", "flicker", "", 0, None, _ONE,
           "second differences of the brightness of the face over time, swap over target"),
    Metric("faces_kept", "faces kept", "", 0, 1, _MORE,
           "share of the target's faces in whose place the swap still has a face", 3),
    # Image quality.
    Metric("sharpness", "sharpness, of that of the target", "", 0, None, _ONE,
           "mean absolute Laplacian inside the face, generated over real; grain of the watermark "
           "counts"),
    Metric("sharpness_of_source", "sharpness, of that of the source", "", 0, None, _ONE,
           "the same ratio to the source's footage resized to this face: where the footage was "
           "smaller, it is enlarged and soft"),
    Metric("seam", "seam", "grey levels", 0, 255, _LESS,
           "steepest step of colour along the edge of the mask that the target does not have; hair "
           "generated there counts, too, so only compare runs on one clip; 0 where nothing "
           "changed"),
    Metric("background_psnr", "untouched pixels", "dB", 0, None, _MORE,
           "PSNR away from the face; above 42 only the encoder differs", 1),
    Metric("kid", "KID to the source", "", None, None, _LESS,
           "distance of the swapped faces from the source's footage in features of "
           "EfficientNet-Lite0; only compare within this project"),
    Metric("kid_of_footage", "KID of held-out footage", "", None, None, _NEITHER,
           "distance of the source's held-out footage from the footage trained on: the part that "
           "poses and light explain"),
    Metric("kid_of_target", "KID of the target", "", None, None, _NEITHER,
           "distance of the target's own faces from the source's footage: the KID without a swap"),
    Metric("fid", "FID to the source", "", 0, None, _LESS,
           "like KID, between two Gaussians; only compare at the same number of images", 0),
    # Reconstruction of a person by this person's own decoder.
    Metric("ssim", "reconstruction SSIM", "", -1, 1, _MORE,
           "the person by the own decoder on held-out crops, where its windows of 7 pixels lie in "
           "the face", 3),
    Metric("psnr", "reconstruction PSNR", "dB", 0, None, _MORE,
           "the person by the own decoder on held-out crops, inside the face", 1),
    Metric("lpips", "reconstruction LPIPS", "", 0, None, _LESS,
           "the person by the own decoder on held-out crops, the face alone on grey; by the "
           "network (AlexNet or VGG16) that the training did not use", 3),
)  # fmt: skip

METRICS = {metric.name: metric for metric in _DEFINITIONS}


@dataclasses.dataclass(frozen=True)
class Part:
    """Metrics of one video, or of one person.

    Attributes:
      counts: number of frames or faces measured, by kind.
      metrics: values by `Metric.name`.
      series: values over time by name, for plots; each as long as the series `seconds` or as long
        as the series `sampled_seconds`.
    """

    counts: Mapping[str, int]
    metrics: Mapping[str, Estimate]
    series: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def value(self, name: str) -> float | None:
        """Value of a metric, None if it was not measured or is not finite."""
        estimate = self.metrics.get(name)
        return None if estimate is None else finite_or_none(estimate.value)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Results of one evaluation.

    Attributes:
      subject: names and hashes of everything that was evaluated, by role.
      parts: results by title.
    """

    subject: Mapping[str, Any]
    parts: Mapping[str, Part]

    def to_json(self) -> str:
        """Formats the results, with the definition of every metric; NaN and infinity are null."""
        used = {name for part in self.parts.values() for name in part.metrics}
        content = {
            "schema_version": SCHEMA_VERSION,
            "subject": self.subject,
            "judges": [json_records.to_json(judge) for judge in JUDGES],
            "read_as": {name: _definition_to_json(name) for name in METRICS if name in used},
            "parts": {title: _part_to_json(part) for title, part in self.parts.items()},
        }
        return json.dumps(content, indent=1) + "\n"


def read(path: pathlib.Path) -> Evaluation:
    """Reads the results that `Evaluation.to_json` formatted.

    Raises:
      InputError: if the file holds no results, or results of another schema version.
    """
    try:
        values = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: cannot be read as the JSON file of an evaluation") from error
    # Any JSON value may be in the file, also a list.
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path}: results of schema {version}, this version reads {SCHEMA_VERSION}; evaluate "
            "again"
        )
    parts = {title: _part_from_json(part) for title, part in values["parts"].items()}
    return Evaluation(values["subject"], parts)


def finite_or_none(value: float) -> float | None:
    """Replaces NaN and infinity, which JSON cannot express, by None."""
    return float(value) if np.isfinite(value) else None


def _definition_to_json(name: str) -> JsonObject:
    definition = dataclasses.asdict(METRICS[name])
    return {key: definition[key] for key in ("title", "unit", "least", "most", "better", "meaning")}


def _part_to_json(part: Part) -> JsonObject:
    figures = {
        name: {key: finite_or_none(value) for key, value in dataclasses.asdict(estimate).items()}
        for name, estimate in part.metrics.items()
    }
    series = {
        name: [_rounded(finite_or_none(value)) for value in values]
        for name, values in part.series.items()
    }
    return {"counts": dict(part.counts), "figures": figures, "series": series}


def _part_from_json(values: Mapping[str, Any]) -> Part:
    metrics = {
        name: Estimate(**{key: _nan_if_none(value) for key, value in estimate.items()})
        for name, estimate in values["figures"].items()
    }
    series = {
        name: np.array([_nan_if_none(value) for value in column])
        for name, column in values["series"].items()
    }
    return Part(values["counts"], metrics, series)


def _rounded(value: float | None) -> float | None:
    # Five decimals are more than any plot shows, and keep the file small.
    return None if value is None else round(value, 5)


def _nan_if_none(value: float | None) -> float:
    return float("nan") if value is None else float(value)
