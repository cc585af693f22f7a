"""The record of a conversion: in the manifest of its outputs, and in a JSON file beside them."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import jax

from data_prep import json_records, weights
from data_prep.json_records import JsonObject
from data_prep.pipeline.settings import FaceSettings
from data_prep.runtime.files import write_atomically
from data_prep.weights import WeightFile
from sagan_jax.checkpoints.facts import CheckpointFacts, IdentityFacts
from sagan_jax.conversion.target_faces import FoundPerson
from sagan_jax.provenance import manifest
from sagan_jax.provenance.manifest import ConsentedIdentity, ModelReference, NamedFile, Origin
from sagan_jax.provenance.marking import Marks
from sagan_jax.rendering.swapper import Swapper

# Packages that frames depend on.
_PACKAGES = ("sagan-jax", "jax", "av", "opencv-python-headless")


@dataclasses.dataclass(frozen=True)
class Conversion:
    """Result of a conversion.

    Attributes:
      frames: number of frames written.
      swapped: number of frames in which a face was replaced.
      reasons: number of the other frames, by the reason why they were left as they were.
      people: everybody who was found.
      seconds: time that the last run took to find faces (`faces`) and to swap them (`swap`).
      frames_per_second: speed of the swapping in the last run.
    """

    frames: int
    swapped: int
    reasons: dict[str, int]
    people: tuple[FoundPerson, ...] = ()
    seconds: dict[str, float] = dataclasses.field(default_factory=dict, compare=False)
    frames_per_second: float | None = dataclasses.field(default=None, compare=False)

    @property
    def kept(self) -> int:
        """Number of frames that were left as they were."""
        return self.frames - self.swapped

    def summary(self) -> str:
        """Summarises the conversion in a line."""
        noun = "frame" if self.frames == 1 else "frames"
        reasons = ", ".join(f"{reason} in {count}" for reason, count in self.reasons.items())
        line = f"{self.frames} {noun}, {self.swapped} swapped, {self.kept} left as they were"
        return f"{line} ({reasons})" if reasons else line


@dataclasses.dataclass(frozen=True)
class Sidecar:
    """Content of `<output>.json`: what was made, of what, by which model, with whose consent.

    Attributes:
      origin: content of the manifest.
      identities: both people of the model, with all that is known of their data sets.
      marking: how the outputs are marked, see `Marks.record`.
      conversion: result of the conversion.
      versions: versions of the packages that frames depend on.
      device: kind of device that rendered.
      key: hash of everything the outputs depend on.
    """

    origin: Origin
    identities: tuple[IdentityFacts, ...]
    marking: JsonObject
    conversion: Conversion
    versions: dict[str, str]
    device: str
    key: str

    def to_json(self) -> JsonObject:
        """Returns plain values that JSON can hold, with those of origin and conversion beside."""
        origin, conversion = self.origin, self.conversion
        # Readers of JSON take numbers for doubles, which cannot hold 64 bits.
        watermark = None if origin.watermark is None else f"{origin.watermark:016x}"
        return {
            "notice": manifest.NOTICE,
            "synthetic": True,
            **json_records.to_json(origin),
            "identities": [one.to_json() for one in self.identities],
            "non_commercial_weights": weights.non_commercial(origin.weights),
            "watermark": watermark,
            "marking": self.marking,
            **json_records.to_json(conversion),
            "kept": conversion.kept,
            "versions": self.versions,
            "device": self.device,
            "key": self.key,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Sidecar:
        """The inverse of `to_json`.

        Raises:
          ValueError: if a field is missing or of another kind.
        """
        try:
            digits = values["watermark"]
            watermark = None if digits is None else int(digits, 16)
            return cls(
                origin=json_records.from_json(Origin, {**values, "watermark": watermark}),
                identities=tuple(IdentityFacts.from_json(one) for one in values["identities"]),
                marking=values["marking"],
                conversion=json_records.from_json(Conversion, values),
                versions=values["versions"],
                device=values["device"],
                key=values["key"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no record of a conversion ({error})") from error


def origin_of(
    swapper: Swapper,
    target: NamedFile,
    settings: Mapping[str, Any],
    face: FaceSettings,
    watermark: int | None,
) -> Origin:
    """Origin of what a model renders from a target.

    Args:
      swapper: the trained generator.
      target: video or image that is changed.
      settings: settings of the conversion, as JSON has them.
      face: how faces are found.
      watermark: payload of the invisible mark, None for none.
    """
    facts = swapper.facts
    return Origin(
        target=target,
        identities=ConsentedIdentity.of_all(facts.identities),
        rendered=facts.names[swapper.to],
        weights=_models(facts, face),
        model=ModelReference(step=swapper.step, sha256=swapper.fingerprint),
        settings=dict(settings),
        watermark=watermark,
    )


def package_versions() -> dict[str, str]:
    """Versions of the packages that frames depend on."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


def path_of(output: pathlib.Path) -> pathlib.Path:
    """Path of the record of an output."""
    return output.with_suffix(".json")


def write(
    output: pathlib.Path,
    key: str,
    origin: Origin,
    swapper: Swapper,
    marks: Marks,
    conversion: Conversion,
) -> None:
    """Writes the record beside an output.

    Args:
      output: first output of the conversion.
      key: hash of everything the outputs depend on.
      origin: content of the manifest.
      swapper: the trained generator.
      marks: how the outputs are marked.
      conversion: result of the conversion.
    """
    record = Sidecar(
        origin=origin,
        identities=swapper.facts.identities,
        marking=marks.record(),
        conversion=conversion,
        versions=package_versions(),
        device=jax.devices()[0].device_kind,
        key=key,
    )
    with write_atomically(path_of(output)) as aside:
        aside.write_text(json.dumps(record.to_json(), indent=2))


def read(output: pathlib.Path) -> Sidecar:
    """Reads the record of an output.

    Raises:
      OSError: if there is none.
      ValueError: if it is damaged or something else.
    """
    return Sidecar.from_json(json.loads(path_of(output).read_text()))


def made_before(output: pathlib.Path, key: str) -> Conversion | None:
    """Result of the conversion that made an output; None if it was another one, or none."""
    # An output whose record is lost or damaged could be of anything, so it is not taken for done.
    try:
        record = read(output)
    except (OSError, ValueError):
        return None
    return record.conversion if record.key == key else None


def _models(facts: CheckpointFacts, face: FaceSettings) -> tuple[WeightFile, ...]:
    """Models used for the data sets, the training and this conversion, each once."""
    # Preparation and conversion find faces with the same models.
    used = (*facts.models_behind, *face.models)
    return tuple({model.sha256: model for model in used}.values())
