"""The card of a trained model: `MODEL_CARD.md` for people, `model_card.json` for programs."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping

import jinja2

from data_prep import json_records, weights
from data_prep.json_records import JsonObject
from sagan_jax.checkpoints.facts import CheckpointFacts, IdentityFacts

_NAMED = ("identity", "consent", "fingerprint", "videos", "models")

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
- the loss compared images by {{ model.purpose }}: weights of `{{ model.package }}`
  {{ model.version }}, {{ model.licence }}
{%- endfor %}

## Measured on footage it never saw

{% for name, value in measured.items() -%}
- {{ name }}: {{ "%.4f" | format(value) }}
{% endfor %}
Two people, their light and their expressions are all it knows: what one of them never does
in the footage (a laugh, a profile) it renders badly.
"""


def write(
    folder: pathlib.Path, facts: CheckpointFacts, images: int, measured: Mapping[str, float]
) -> None:
    """Writes both files.

    Args:
      folder: training folder or exported folder.
      facts: facts of the checkpoint.
      images: images seen in training.
      measured: newest metrics on held-out crops, by name.
    """
    limited_by = {model.purpose for model in facts.models_behind if model.non_commercial}
    card = {
        "identities": [_person(one) for one in facts.identities],
        "inherited": [_person(one) for one in facts.inherited],
        "models": [json_records.to_json(model) for model in facts.models],
        "config": json_records.to_json(facts.config),
        "images": images,
        "measured": dict(measured),
        "synthetic_output": True,
        "non_commercial_weights": bool(limited_by),
    }
    (folder / "model_card.json").write_text(json.dumps(card, indent=2))
    text = jinja2.Template(_TEMPLATE).render(
        **card,
        names=facts.names,
        model=facts.config.model,
        non_commercial=weights.NON_COMMERCIAL,
        limited_by=sorted(limited_by),
    )
    (folder / "MODEL_CARD.md").write_text(text)


def _person(one: IdentityFacts) -> JsonObject:
    """The part of a person's data set that a model card names."""
    card = json_records.to_json(one.card)
    return {name: card[name] for name in _NAMED}
