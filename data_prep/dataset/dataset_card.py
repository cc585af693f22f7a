"""The card of a data set as text for people; `card.json` is for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jinja2

from data_prep import weights

if TYPE_CHECKING:
    from data_prep.dataset.identity_card import IdentityCard

NAME = "README.md"
_TEMPLATE = """\
# Faces of {{ card.identity }}

Aligned face crops with masks and landmarks, made to train a face swap. Schema
{{ card.schema_version }}; fingerprint `{{ card.fingerprint }}`. Read it with
`tfds.builder_from_directory`.

## Consent

{{ card.consent }}

{% if non_commercial %}**{{ non_commercial }}** The table at the end says which.

{% endif -%}
These are images of a person. Use them for what was agreed to, and for nothing else.
`python -m launch.forget --identity "{{ card.identity }}" --root FOLDER` removes them together
with every model that was trained on them.

## Made from

| video | frames | crops to train on | held out | without the face | SHA-256 |
|---|---|---|---|---|---|
{% for one in card.videos -%}
| {{ one.name }} | {{ one.frames }} | {{ one.train }} | {{ one.holdout }} |
{{- " " }}{{ one.frames_without_face }} | `{{ one.sha256 }}` |
{% endfor %}
{% if card.refused -%}
Left out:

{% for one in card.refused -%}
* {{ one.name }}: {{ one.reason }}
{% endfor %}
{% endif -%}
{% if card.verdict -%}
## Enough to train on?

{{ card.verdict.level }}: {{ card.verdict.summary }}
{% for advice in card.verdict.advice -%}
* {{ advice }}
{% endfor %}
{% endif -%}
## Whole?

`python -m launch.verify FOLDER` checks every shard against the SHA-256 in `card.json`.

## Made with

| model | package | licence |
|---|---|---|
{% for model in card.models -%}
| {{ model.purpose }} | {{ model.package }} {{ model.version }} | {{ model.licence }} |
{% endfor %}"""


def markdown(card: IdentityCard) -> str:
    """Returns the card as Markdown."""
    return jinja2.Template(_TEMPLATE).render(card=card, non_commercial=_limit(card))


def description(card: IdentityCard) -> str:
    """Returns the description of the data set that TFDS keeps, a line or two."""
    text = f"Aligned faces of {card.identity}. Consent: {card.consent}"
    limit = _limit(card)
    return f"{text}\n{limit}" if limit else text


def _limit(card: IdentityCard) -> str:
    """Returns the sentence that excludes commercial use; empty if no model excludes it."""
    return weights.NON_COMMERCIAL if weights.non_commercial(card.models) else ""
