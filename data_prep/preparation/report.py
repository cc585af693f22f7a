"""The report of a data set: one self-contained HTML page in its folder.

Numbers come from the card, and only the crops on the page are read, so the report of an hour of
video takes no longer than that of a minute.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np

from data_prep.dataset import identity_card, reader
from data_prep.dataset.coverage import Coverage
from data_prep.dataset.reader import StoredExample
from data_prep.even_spacing import evenly_spaced
from data_prep.preparation import report_plots
from data_prep.preparation.crop_filter import Reason
from data_prep.reporting import html_page
from data_prep.reporting.thumbnails import data_url

NAME = "report.html"
_CROPS, _OVERLAYS = 27, 6
_CROP_SIDE, _OVERLAY_SIDE = 128, 192
_DROPPED = 16
_LABELS = {
    "mouth": "gap between the lips, face heights",
    "eyes": "height over width of the eyes",
    "sharpness": "fine detail, grey levels",
    "height": "height in the frame, pixels",
}
_TEMPLATE = html_page.template(pathlib.Path(__file__).parent, "report.html.jinja")


def write(folder: pathlib.Path) -> pathlib.Path:
    """Writes `report.html` for a finished data set and returns its path."""
    card = identity_card.read_card(folder)
    coverage = Coverage.of(card.coverage) if card.coverage else Coverage()
    crops = list(_crops_over_time(folder, card, _CROPS))
    path = folder / NAME
    page = _TEMPLATE.render(
        card=card,
        crops=[_tile(one, one["image"], _CROP_SIDE) for one in crops],
        overlays=[
            _tile(one, _overlay(one), _OVERLAY_SIDE)
            for one in _evenly_spaced_items(crops, _OVERLAYS)
        ],
        plots={
            "timeline": report_plots.timeline(card.videos),
            "pose": report_plots.pose(coverage),
            **{name: report_plots.histogram(coverage, name, _LABELS[name]) for name in _LABELS},
        },
        dropped=list(_dropped(card)),
    )
    path.write_text(page)
    return path


def _crops_over_time(
    folder: pathlib.Path, card: identity_card.IdentityCard, count: int
) -> Iterable[StoredExample]:
    """Reads training crops evenly spaced over all of them; only these are decoded."""
    positions = _evenly_spaced_items(range(card.count("train")), count)
    return reader.read(folder, "+".join(f"train[{at}:{at + 1}]" for at in positions))


def _evenly_spaced_items(items: Sequence[Any], count: int) -> list[Any]:
    """Returns at most `count` evenly spaced items of a sequence, with its first and last."""
    return [items[i] for i in evenly_spaced(len(items), count)]


def _tile(example: StoredExample, image: np.ndarray, side: int) -> dict[str, str]:
    """Returns an image for the page with a caption: time and video of a crop."""
    seconds = example["timestamp_us"] // 1_000_000
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    name = example["video"]["name"].decode()
    return {"image": data_url(small), "caption": f"{seconds // 60}:{seconds % 60:02d} {name}"}


def _overlay(example: StoredExample) -> np.ndarray:
    """Returns a crop tinted by its masks: face in red, eyes in green, mouth in blue."""
    tint = np.concatenate([example["masks"][name] for name in identity_card.MASKS], -1)
    return cv2.addWeighted(example["image"], 0.7, tint, 0.3, 0)


@dataclasses.dataclass(frozen=True)
class _Dropped:
    """Crops that were dropped for one reason: their number, the reason in words, and some."""

    count: int
    text: str
    thumbnails: list[str]


def _dropped(card: identity_card.IdentityCard) -> Iterable[_Dropped]:
    """Yields the dropped crops, by reason."""
    for reason in Reason:
        count = sum(video.dropped.get(reason, 0) for video in card.videos)
        dropped = [one for video in card.videos for one in video.dropped_thumbnails.get(reason, ())]
        if count:
            yield _Dropped(count, reason.text, _evenly_spaced_items(dropped, _DROPPED))
