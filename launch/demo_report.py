"""The page that the demo ends with: pictures, figures and how to read them."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import cv2
import imageio.v3 as iio
import jinja2
import numpy as np

from data_prep.report import inline
from data_prep.video import Span
from sagan_jax import evaluate, provenance, signing
from sagan_jax.provenance import Origin

_SHEET_FRAMES, _TILE_HEIGHT = 8, 220
Part = tuple[pathlib.Path, Span]


@dataclasses.dataclass(frozen=True)
class Figure:
    """How to read one figure.

    Attributes:
      name: field of `evaluate.ClipMetrics`.
      title: in words.
      bar: what the demo should reach.
      more_is_better: which side of the bar is good.
      meaning: how to read it.
    """

    name: str
    title: str
    bar: float
    more_is_better: bool
    meaning: str

    def holds(self, value: float) -> bool:
        """Whether a value reaches the bar."""
        return value >= self.bar if self.more_is_better else value <= self.bar


FIGURES = (
    Figure("transfer", "identity transfer", 0.60, True,
           "0: still the target person; 1: as like the source as the source's own held-out "
           "footage (SFace, a network that no loss has seen)"),
    Figure("source_wins", "source wins", 0.98, True,
           "share of frames that are nearer to the source than to the target"),
    Figure("expression_error", "expression error, % of eye distance", 4.5, False,
           "distance of the face meshes of swap and target; some 2 % is the difference of faces"),
    Figure("jitter", "jitter", 1.15, False,
           "restlessness of the landmarks, swap over target; 1 is as steady as the target"),
    Figure("sharpness", "sharpness", 0.75, True,
           "fine detail inside the face, swap over target; 1 is as crisp as the footage"),
    Figure("background_psnr", "untouched pixels, dB", 42.0, True,
           "away from the face; above 40 the eye sees no difference"),
)  # fmt: skip

_TEMPLATE = jinja2.Environment(autoescape=True).from_string("""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Face swap: report</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em }
img, svg { max-width: 100% } .bad { color: #b00 } .good { color: #070 }
td, th { padding: .2em .8em; text-align: left; border-bottom: 1px solid #ddd }
</style>
<h1>Face swap: report</h1>
<p><strong>Every swapped face here is synthetic.</strong> The videos and contact sheets carry a
manifest signed by {{ signer.name }}
{%- if signer.local %}, a local identity that was made on this machine and is known to nobody
else: it proves that nothing was changed since, not who made it{% endif %}. The videos carry an
invisible watermark too; <code>sagan-verify</code> checks both. Whoever publishes them has to say
so as well.</p>
<h2>Figures</h2>
<table><tr><th>figure<th>bar{% for name in clips %}<th>{{ name }}.mp4{% endfor %}<th>how to read it
{% for f in figures %}<tr><td>{{ f.title }}<td>{{ "at least" if f.more_is_better else "at most" }}
{{ f.bar }}{% for clip in clips.values() %}
<td class="{{ "good" if f.holds(clip[f.name]) else "bad" }}">
{{ "%.3g" | format(clip[f.name]) }}{% endfor %}<td>{{ f.meaning }}{% endfor %}
<tr><td>frames with a face, of all<td>{% for clip in clips.values() %}<td>{{ clip.measured }} /
{{ clip.frames }}{% endfor %}<td>only these are measured
{% for person, value in holdout.items() %}<tr><td>reconstruction of {{ person }}, SSIM<td>
<td colspan="{{ clips | length }}">{{ "%.3f" | format(value) }}
<td>the person by the own decoder, on held-out frames, inside the face{% endfor %}</table>
{% for name, sheet in sheets.items() %}<h2>{{ name }}.mp4: held-out frames</h2>
<p>Target above, swapped below.</p><p><img src="{{ sheet }}" alt="target above, swapped below"></p>
<h3>Identity over time</h3><p>Cosine with the source (blue) and with the target (orange).</p>
{{ curves[name] }}{% endfor %}
<h2>Training</h2>
<p>Held-out crops, a column each. Rows: A, A by its own decoder, A as B, mask; then the same of
B.</p><p><img src="{{ preview }}" alt="preview grid"></p>
<p>Reconstruction loss (blue) and structure loss (orange) over images seen.</p>{{ losses }}
<h2>Time and memory</h2>
<table><tr><th>stage<th>seconds<th>peak GiB{% for name, t in times.items() %}<tr><td>{{ name }}
<td>{{ "%.0f" | format(t.seconds) }}<td>{{ "%.1f" | format(t.memory_gib) }}{% endfor %}</table>
</html>
""")


def write(out: pathlib.Path, targets: dict[str, Part]) -> None:
    """Writes `metrics.json`, `contact_sheet*.png` and `report.html` of a demo folder.

    Args:
      out: the demo's folder, all stages done.
      targets: for each swapped video (by name) its target and the part that was converted.
    """
    clips = {name: json.loads((out / f"{name}.metrics.json").read_text()) for name in targets}
    stats = [json.loads(line) for line in (out / "model" / "stats.jsonl").read_text().splitlines()]
    holdout = _last_holdout(stats)
    (out / "metrics.json").write_text(json.dumps({"clips": clips, "holdout": holdout}, indent=2))
    sheets = {name: contact_sheet(*part, out / f"{name}.mp4") for name, part in targets.items()}
    for name, sheet in sheets.items():
        path = out / f"{name.replace('swapped', 'contact_sheet')}.png"
        cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
        _seal(path, json.loads((out / f"{name}.json").read_text()))
    preview = iio.imread(max((out / "model" / "previews").glob("*.png")))
    (out / "report.html").write_text(
        _TEMPLATE.render(
            figures=FIGURES,
            signer=signing.signing_identity(),
            clips=clips,
            holdout=holdout,
            sheets={name: inline(sheet) for name, sheet in sheets.items()},
            curves={name: _identity_curves(clip) for name, clip in clips.items()},
            preview=inline(preview),
            losses=_loss_curves(stats),
            times=json.loads((out / "times.json").read_text()),
        )
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
    provenance.seal(picture, picture.name, origin, signing.signing_identity())


def contact_sheet(target: pathlib.Path, span: Span, swapped: pathlib.Path) -> np.ndarray:
    """Eight frames evenly spread over a clip, target above, swapped below: `[H, W, 3]` uint8."""
    count = sum(1 for _ in evaluate.paired_frames(target, swapped, span))
    chosen = set(np.linspace(0, count - 1, _SHEET_FRAMES).round().astype(int).tolist())
    columns = [
        np.vstack([_tile(frame.image) for frame in pair])
        for index, pair in enumerate(evaluate.paired_frames(target, swapped, span))
        if index in chosen
    ]
    return np.hstack(columns)


def _tile(image: np.ndarray) -> np.ndarray:
    width = round(image.shape[1] * _TILE_HEIGHT / image.shape[0])
    return cv2.resize(image, (width, _TILE_HEIGHT), interpolation=cv2.INTER_AREA)


def _last_holdout(stats: list[dict[str, float]]) -> dict[str, float]:
    last = [line for line in stats if "holdout_ssim_a" in line][-1]
    return {"A": last["holdout_ssim_a"], "B": last["holdout_ssim_b"]}


def _identity_curves(clip: dict[str, Any]) -> Any:
    seconds, source, target = zip(*clip["identity_over_time"], strict=True)
    return _curves(seconds, {"#1565c0": source, "#e67e22": target}, (-0.2, 1.0), "s")


def _loss_curves(stats: list[dict[str, float]]) -> Any:
    lines = [line for line in stats if "reconstruction" in line]
    values = {
        "#1565c0": [line["reconstruction"] for line in lines],
        "#e67e22": [line["structure"] for line in lines],
    }
    top = float(np.percentile(np.concatenate(list(values.values())), 98))
    return _curves([line["images"] for line in lines], values, (0.0, top), "images")


def _curves(
    x: Iterable[float], lines: Mapping[str, Iterable[float]], limits: tuple[float, float], unit: str
) -> Any:
    """Curves by colour as inline SVG."""
    width, height, margin = 900, 220, 40
    at = np.asarray(list(x), np.float64)
    across = margin + (at - at[0]) / max(at[-1] - at[0], 1e-9) * (width - 2 * margin)
    low, high = limits
    parts = []
    for colour, values in lines.items():
        share = np.clip((np.asarray(list(values)) - low) / max(high - low, 1e-9), 0, 1)
        down = height - margin - share * (height - 2 * margin)
        points = " ".join(f"{a:.1f},{d:.1f}" for a, d in zip(across, down, strict=True))
        parts.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{points}"/>'
        )
    labels = (
        f'<text x="2" y="{margin}">{high:.2f}</text>'
        f'<text x="2" y="{height - margin}">{low:.2f}</text>'
        f'<text x="{margin}" y="{height - 10}">{at[0]:.0f} {unit}</text>'
        f'<text x="{width - 3 * margin}" y="{height - 10}">{at[-1]:.0f} {unit}</text>'
    )
    svg = f'<svg viewBox="0 0 {width} {height}" font-size="12">{"".join(parts)}{labels}</svg>'
    return jinja2.utils.markupsafe.Markup(svg)
