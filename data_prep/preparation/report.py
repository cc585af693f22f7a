"""What was extracted, to look at: one self-contained HTML file in the data set's folder.

The figures come from the data set's card, and of the crops only those that are shown are
read: an hour of video costs no more than a minute.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np

from data_prep.dataset import identity_card, reader
from data_prep.dataset.coverage import Coverage
from data_prep.even_spacing import spread
from data_prep.preparation import report_plots
from data_prep.preparation.crop_filter import Reason
from data_prep.reporting import html_page
from data_prep.reporting.thumbnails import inline

NAME = "report.html"
_CROPS, _OVERLAYS = 27, 6
_CROP_SIDE, _OVERLAY_SIDE = 128, 192
_PICTURES = 16
_TEMPLATE = html_page.template(pathlib.Path(__file__).parent, "report.html.jinja")


def write(folder: pathlib.Path) -> pathlib.Path:
    """Writes `report.html` for a finished data set and returns its path."""
    card = identity_card.read_card(folder)
    coverage = Coverage.from_json(card.coverage)
    crops = list(_evenly_spaced(folder, card, _CROPS))
    path = folder / NAME
    path.write_text(
        _TEMPLATE.render(
            card=card,
            crops=[_tile(one, one["image"], _CROP_SIDE) for one in crops],
            overlays=[
                _tile(one, _overlay(one), _OVERLAY_SIDE) for one in _spread(crops, _OVERLAYS)
            ],
            plots={
                "timeline": report_plots.timeline(card.videos),
                "pose": report_plots.pose(coverage),
                "mouth": report_plots.histogram(
                    coverage, "mouth", "gap between the lips, face heights"
                ),
                "eyes": report_plots.histogram(coverage, "eyes", "height over width of the eyes"),
                "sharpness": report_plots.histogram(
                    coverage, "sharpness", "fine detail, grey levels"
                ),
                "height": report_plots.histogram(coverage, "height", "height in the frame, pixels"),
            },
            dropped=list(_dropped(card)),
        )
    )
    return path


def _evenly_spaced(
    folder: pathlib.Path, card: identity_card.IdentityCard, count: int
) -> Iterable[dict[str, Any]]:
    """Training crops, evenly spread over all of them; only these are decoded."""
    positions = _spread(range(card.count("train")), count)
    return reader.read(folder, "+".join(f"train[{at}:{at + 1}]" for at in positions))


def _spread(things: Sequence[Any], count: int) -> list[Any]:
    """At most `count` of a sequence, evenly spaced, first and last among them."""
    return [things[i] for i in spread(len(things), count)]


def _tile(example: dict[str, Any], image: np.ndarray, side: int) -> dict[str, str]:
    seconds = example["timestamp_us"] // 1_000_000
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    name = example["video"]["name"].decode()
    return {"image": inline(small), "caption": f"{seconds // 60}:{seconds % 60:02d} {name}"}


def _overlay(example: dict[str, Any]) -> np.ndarray:
    tint = np.concatenate([example["masks"][name] for name in identity_card.MASKS], -1)
    return cv2.addWeighted(example["image"], 0.7, tint, 0.3, 0)


def _dropped(card: identity_card.IdentityCard) -> Iterable[dict[str, Any]]:
    """For each reason the number of crops, in words why, and some of them."""
    for reason in Reason:
        count = sum(video["dropped"].get(reason, 0) for video in card.videos)
        pictures = [p for v in card.videos for p in v["dropped_thumbnails"].get(reason, [])]
        if count:
            yield {
                "count": count,
                "words": reason.words,
                "pictures": _spread(pictures, _PICTURES),
            }
