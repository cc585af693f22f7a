"""What was extracted, to look at: one self-contained HTML file in the data set's folder."""

from __future__ import annotations

import base64
import pathlib
from typing import Any

import cv2
import jinja2
import numpy as np

from data_prep import shards

_SHEET_COLUMNS, _SHEET_ROWS, _TILE = 8, 4, 128
_TEMPLATE = jinja2.Environment(autoescape=True).from_string("""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Data set: {{ card.identity }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em }
img { max-width: 100% }
td, th { padding: .2em .8em; text-align: left; border-bottom: 1px solid #ddd }
</style>
<h1>Data set: {{ card.identity }}</h1>
<p>Consent on record: <q>{{ card.consent }}</q></p>
<h2>Videos</h2>
<table><tr><th>video<th>frames read<th>without a face<th>trained on<th>held out<th>cuts
{% for v in card.videos %}<tr><td>{{ v.name }}<td>{{ v.frames }}<td>{{ v.frames_without_face }}
<td>{{ v.train }}<td>{{ v.holdout }}<td>{{ v.cuts | length }}{% endfor %}</table>
<h2>Crops over time</h2><p><img src="{{ sheet }}" alt="crops, evenly spread over time"></p>
<h2>Masks</h2><p>Red: face. Green: eyes. Blue: mouth.</p>
<p><img src="{{ masks }}" alt="crops with their masks"></p>
<h2>Coverage</h2>
<p>Yaw {{ yaw }} degrees, pitch {{ pitch }} degrees (5th to 95th percentile). A person can be
shown well only in poses that were seen here.</p>
<p><img src="{{ coverage }}" alt="yaw across, pitch down; one dot a crop"></p>
<h2>Models used</h2>
<table><tr><th>purpose<th>package<th>licence of the weights
{% for m in card.models %}<tr><td>{{ m.purpose }}<td>{{ m.package }} {{ m.version }}
<td>{{ m.licence }}{% endfor %}</table></html>
""")


def write(folder: pathlib.Path) -> pathlib.Path:
    """Writes `report.html` for a finished data set and returns its path."""
    examples = list(shards.read(folder, "train"))
    poses = np.array([example["pose"] for example in examples])
    chosen = np.linspace(0, len(examples) - 1, _SHEET_COLUMNS * _SHEET_ROWS).round().astype(int)
    path = folder / "report.html"
    path.write_text(
        _TEMPLATE.render(
            card=shards.read_card(folder),
            sheet=inline(_grid([examples[i]["image"] for i in chosen])),
            masks=inline(_grid([_overlay(examples[i]) for i in chosen[::_SHEET_ROWS]])),
            coverage=inline(_scatter(poses[:, 0], poses[:, 1])),
            yaw=_span(poses[:, 0]),
            pitch=_span(poses[:, 1]),
        )
    )
    return path


def inline(image: np.ndarray) -> str:
    """An RGB image as a `data:` address, for pages that need no other file."""
    encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()


def _grid(images: list[np.ndarray]) -> np.ndarray:
    tiles = [cv2.resize(i, (_TILE, _TILE), interpolation=cv2.INTER_AREA) for i in images]
    rows = [tiles[i : i + _SHEET_COLUMNS] for i in range(0, len(tiles), _SHEET_COLUMNS)]
    return np.vstack([np.hstack(row) for row in rows])


def _overlay(example: dict[str, Any]) -> np.ndarray:
    tint = np.concatenate([example["masks"][name] for name in shards.MASKS], -1)
    return cv2.addWeighted(example["image"], 0.7, tint, 0.3, 0)


def _scatter(yaw: np.ndarray, pitch: np.ndarray, limit: float = 60.0) -> np.ndarray:
    side = 360
    canvas = np.full((side, side, 3), 255, np.uint8)
    for angle in range(-60, 61, 20):
        at = round((angle / limit + 1) * side / 2)
        cv2.line(canvas, (at, 0), (at, side), (220, 220, 220))
        cv2.line(canvas, (0, at), (side, at), (220, 220, 220))
    for x, y in np.stack([yaw, pitch], -1):
        centre = tuple(int((v / limit + 1) * side / 2) for v in (x, y))
        cv2.circle(canvas, centre, 2, (40, 80, 200), -1, cv2.LINE_AA)
    return canvas


def _span(values: np.ndarray) -> str:
    low, high = np.percentile(values, [5, 95])
    return f"{low:.0f} to {high:.0f}"
