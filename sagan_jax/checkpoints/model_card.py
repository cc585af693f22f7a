"""What a trained model says about itself: `MODEL_CARD.md` and `model_card.json`."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import jinja2

from data_prep import weights
from sagan_jax.checkpoints.checkpoint import Facts, models_behind

_TEMPLATE = """\
# {{ names | join(" and ") }}, face swap

A shared encoder with one decoder for each of these two people, {{ model.resolution }} px,
preset `{{ config.preset }}`, trained on {{ images }} images
{%- if not inherited %} from scratch{% endif %}. It renders either person in the place of the other
and nobody else.

## Consent

{% for one in identities -%}
- **{{ one.identity }}**: {{ one.consent }} (data set `{{ one.fingerprint }}`)
{% endfor %}
{%- if inherited %}
It began with parts of an earlier model, which learned from:

{% for one in inherited -%}
- **{{ one.identity }}**: {{ one.consent }} (data set `{{ one.fingerprint }}`)
{% endfor %}
{%- endif %}
{% if limited_by %}**{{ non_commercial }}** ({{ limited_by | join(", ") }}) So is everything
rendered with it.

{% endif -%}
Everything rendered with this model is marked as synthetic: a signed manifest, an invisible
watermark, and a note in the file. Use it only for what was agreed to.
`python -m launch.forget --identity NAME --root FOLDER` removes it.

## Trained on

{% for one in identities -%}
- {{ one.identity }}:
{%- for v in one.videos %} {{ v.name }} ({{ v.train }} crops){{ "," if not loop.last }}
{%- endfor %}
{% endfor %}
{%- for model in models %}
- the loss compared pictures by {{ model.purpose }}: weights of `{{ model.package }}`
  {{ model.version }}, {{ model.licence }}
{%- endfor %}

## Measured on footage it never saw

{% for name, value in measured.items() -%}
- {{ name }}: {{ "%.4f" | format(value) }}
{% endfor %}
Two people, their light and their expressions are all it knows: what one of them never does
in the footage (a laugh, a profile) it renders badly.
"""


def write(workdir: pathlib.Path, facts: Facts, images: int, measured: dict[str, Any]) -> None:
    """Writes both files.

    Args:
      workdir: the training folder.
      facts: of the checkpoint.
      images: seen in training.
      measured: newest figures on the holdout.
    """
    identities, inherited = (
        [
            {k: one[k] for k in ("identity", "consent", "fingerprint", "videos", "models")}
            for one in people
        ]
        for people in (facts["identities"], facts.get("inherited", []))
    )
    limited_by = {m["purpose"] for m in models_behind(facts) if m["non_commercial"]}
    card = {
        "identities": identities, "inherited": inherited, "models": facts.get("models", []),
        "config": facts["config"],
        "images": images,
        "measured": measured, "synthetic_output": True, "non_commercial_weights": bool(limited_by),
    }  # fmt: skip
    (workdir / "model_card.json").write_text(json.dumps(card, indent=2))
    text = jinja2.Template(_TEMPLATE).render(
        **card,
        names=[one["identity"] for one in identities],
        model=facts["config"]["model"],
        non_commercial=weights.NON_COMMERCIAL,
        limited_by=sorted(limited_by),
    )
    (workdir / "MODEL_CARD.md").write_text(text)
