"""Everything a checkpoint states about itself: config, people, their consent, the models used."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from data_prep import json_records
from data_prep.dataset import identity_card
from data_prep.dataset.identity_card import IdentityCard
from data_prep.json_records import JsonObject
from data_prep.weights import WeightFile
from sagan_jax.checkpoints import migrations
from sagan_jax.configs import overrides
from sagan_jax.configs.config import Config
from sagan_jax.inputs.identity_stats import IdentityStats

Colour = tuple[float, float, float]
Places = tuple[Colour, Colour, Colour]


@dataclasses.dataclass(frozen=True)
class IdentityFacts:
    """One person a model learned from.

    Attributes:
      card: card of the person's data set.
      mean: mean colour of the face in the training crops, 0..1.
      std: standard deviation of that colour.
      places: usual places of left eye, right eye and mouth (`inputs.retargeting`); None for
        models that are not guided by a sketch.
    """

    card: IdentityCard
    mean: Colour | None = None
    std: Colour | None = None
    places: Places | None = None

    @classmethod
    def of(cls, card: IdentityCard, stats: IdentityStats) -> IdentityFacts:
        """Facts of a person whose crops have these statistics."""
        numbers = {name: value.tolist() for name, value in stats._asdict().items()}
        return cls.from_json(json_records.to_json(card) | numbers)

    @property
    def identity(self) -> str:
        """Name of the person."""
        return self.card.identity

    def to_json(self) -> JsonObject:
        """Fields of the card and of the statistics side by side."""
        return json_records.to_json(self.card) | {
            "mean": self.mean,
            "std": self.std,
            "places": self.places,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> IdentityFacts:
        """The inverse of `to_json`.

        Raises:
          ValueError: if a field is missing or of another kind.
        """
        names = ("mean", "std", "places")
        stats = json_records.from_json(_Stats, {name: values.get(name) for name in names})
        return cls(identity_card.from_json(values), stats.mean, stats.std, stats.places)


@dataclasses.dataclass(frozen=True)
class _Stats:
    """The statistics of `IdentityFacts`, which its JSON has beside the fields of the card."""

    mean: Colour | None
    std: Colour | None
    places: Places | None


@dataclasses.dataclass(frozen=True)
class CheckpointFacts:
    """Statements of a checkpoint about itself.

    Attributes:
      config: config of the run.
      identities: A and B.
      models: models whose weights took part in the loss.
      inherited: people that earlier models learned from, parts of which this run began with.
      schema_version: version of this record and of the arrays beside it.
    """

    config: Config
    identities: tuple[IdentityFacts, IdentityFacts]
    models: tuple[WeightFile, ...] = ()
    inherited: tuple[IdentityFacts, ...] = ()
    schema_version: str = migrations.SCHEMA_VERSION

    @property
    def names(self) -> tuple[str, str]:
        """Names of A and B."""
        a, b = self.identities
        return a.identity, b.identity

    @property
    def learned_from(self) -> tuple[IdentityFacts, ...]:
        """People whose faces the model learned from: A, B and those of runs it began with."""
        return (*self.identities, *self.inherited)

    @property
    def models_behind(self) -> tuple[WeightFile, ...]:
        """Models that prepared the data or took part in a loss, each once."""
        prepared = (model for one in self.learned_from for model in one.card.models)
        return tuple({model.sha256: model for model in (*prepared, *self.models)}.values())

    def to_json(self) -> JsonObject:
        """Plain values that JSON can hold."""
        return {
            "config": json_records.to_json(self.config),
            "identities": [one.to_json() for one in self.identities],
            "models": [json_records.to_json(model) for model in self.models],
            "inherited": [one.to_json() for one in self.inherited],
            "schema_version": self.schema_version,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> CheckpointFacts:
        """The inverse of `to_json`, also for earlier schemas (see `migrations`).

        Raises:
          ValueError: if a field is missing or of another kind.
          InputError: if the config holds a value of another kind.
        """
        values = migrations.current(values)
        a, b = (IdentityFacts.from_json(one) for one in values["identities"])
        return cls(
            config=overrides.from_dict(values["config"]),
            identities=(a, b),
            models=json_records.from_json(tuple[WeightFile, ...], values["models"]),
            inherited=tuple(IdentityFacts.from_json(one) for one in values["inherited"]),
        )
