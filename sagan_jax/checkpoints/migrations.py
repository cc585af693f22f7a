"""Facts and logs of earlier schemas brought to today's: the one place that knows both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data_prep.json_records import JsonObject

SCHEMA_VERSION = "1.7.0"
# Runs of these schemas can be continued. 1.6.0 has the same arrays under the same names.
CONTINUABLE = ("1.6.0", SCHEMA_VERSION)
# Models of these schemas can be rendered with. 1.2.0 lacks arrays that only a resumed run needs,
# 1.3.0 was made with other crops, and up to 1.5.0 the places of eyes and mouth were not brought to
# one pose.
RENDERABLE = ("1.2.0", "1.3.0", "1.4.0", "1.5.0", *CONTINUABLE)

# Until 1.6.0 faceswap-GAN was called the ancestor, and the discriminator the critic. Old name to
# new name, for fields of the config's loss and for the metrics of `stats.jsonl`.
_RENAMED_LOSS_FIELDS = {
    "critic": "discriminator_loss",
    "judged": "discriminator_input",
    "critic_augmentation": "discriminator_augmentation",
}
_RENAMED_METRICS = {
    "critic": "discriminator",
    "critic_real": "discriminator_real",
    "critic_fake": "discriminator_fake",
    "critic_on_mixtures": "discriminator_on_mixtures",
    "critic_doubt": "discriminator_doubt",
    "critic_gradient_norm": "discriminator_gradient_norm",
}


def current(facts: Mapping[str, Any]) -> JsonObject:
    """Brings parsed facts to the form this version writes.

    Args:
      facts: parsed JSON of a schema in `RENDERABLE`; it is not changed.
    """
    return {
        **facts,
        "config": _config(facts["config"]),
        # Until 1.4.0 no sketch guided the networks.
        "identities": [{"places": None, **one} for one in facts["identities"]],
        # Early checkpoints do not name these.
        "models": facts.get("models", []),
        "inherited": [{"places": None, **one} for one in facts.get("inherited", [])],
        "schema_version": SCHEMA_VERSION,
    }


def current_metrics(line: Mapping[str, Any]) -> JsonObject:
    """Brings a parsed line of `stats.jsonl` to today's names of metrics."""
    return _renamed(line, _RENAMED_METRICS)


def _config(config: Mapping[str, Any]) -> JsonObject:
    # Until 1.3.0 the networks saw all columns of a crop.
    model = {"columns": 1.0, **config["model"]}
    if model.get("architecture") == "ancestor":
        model["architecture"] = "faceswap_gan"
    preset = str(config["preset"]).replace("ancestor64", "faceswap_gan64")
    loss = _renamed(config["loss"], _RENAMED_LOSS_FIELDS)
    return {**config, "preset": preset, "model": model, "loss": loss}


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> JsonObject:
    return {names.get(name, name): value for name, value in values.items()}
