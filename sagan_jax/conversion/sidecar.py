"""What is said about a conversion: in the manifest of its outputs, and in a file beside them."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import jax

from data_prep import weights
from data_prep.pipeline.faces import FaceSettings
from sagan_jax.checkpoints import checkpoint
from sagan_jax.provenance import manifest
from sagan_jax.provenance.manifest import Origin
from sagan_jax.provenance.marking import Marks
from sagan_jax.rendering.swapper import Swapper

_PACKAGES = ("sagan-jax", "jax", "av", "opencv-python-headless")


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What came of a conversion.

    Attributes:
      frames: frames written.
      swapped: frames in which a face was replaced.
      reasons: number of the other frames by why they were left as they were.
      people: everybody who was found: frames seen in, whether replaced, and how far from the
        person that was looked for (0 to 2; at most 0.6 is one person), None for nobody.
      seconds: that the last run spent on finding faces, and on swapping.
      frames_per_second: of its swapping.
    """

    frames: int
    swapped: int
    reasons: dict[str, int]
    people: tuple[dict[str, Any], ...] = ()
    seconds: dict[str, float] = dataclasses.field(default_factory=dict, compare=False)
    frames_per_second: float | None = dataclasses.field(default=None, compare=False)

    def words(self) -> str:
        """A line for people."""
        kept, noun = self.frames - self.swapped, "frame" if self.frames == 1 else "frames"
        why = ", ".join(f"{reason} in {count}" for reason, count in self.reasons.items())
        return (
            f"{self.frames} {noun}, {self.swapped} swapped, {kept} left as they were"
            f"{why and f' ({why})'}"
        )


def origin(
    swapper: Swapper,
    target: Mapping[str, str],
    settings: Mapping[str, Any],
    face: FaceSettings,
    watermark: int | None,
) -> Origin:
    """What a manifest says.

    Args:
      swapper: the model.
      target: name and SHA-256 of what is changed.
      settings: of the conversion, as JSON has them.
      face: how faces are found.
      watermark: that the outputs carry, None for none.
    """
    people = swapper.facts["identities"]
    return Origin(
        target=dict(target),
        identities=tuple(
            {key: one[key] for key in ("identity", "consent", "fingerprint")} for one in people
        ),
        rendered=people[swapper.to]["identity"],
        weights=_models(swapper.facts, face),
        model={"sha256": swapper.fingerprint, "step": swapper.step},
        settings=dict(settings),
        watermark=watermark,
    )


def versions() -> dict[str, str]:
    """Of the packages that make the pictures."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES}


def path_of(output: pathlib.Path) -> pathlib.Path:
    """Where the record of an output lies."""
    return output.with_suffix(".json")


def write(
    output: pathlib.Path,
    key: str,
    origin: Origin,
    swapper: Swapper,
    marks: Marks,
    conversion: Conversion,
) -> None:
    """Writes `<output>.json`: what was made, of what, by which model, with whose consent.

    Args:
      output: the first of the conversion.
      key: of all that it depends on (see `made_before`).
      origin: what the manifest says.
      swapper: the model.
      marks: how the outputs are marked.
      conversion: what came of it.
    """
    record = {
        "notice": manifest.NOTICE,
        "synthetic": True,
        **dataclasses.asdict(origin),
        "identities": swapper.facts["identities"],
        "non_commercial_weights": weights.non_commercial(origin.weights),
        "watermark": None if origin.watermark is None else f"{origin.watermark:016x}",
        "marking": marks.record(),
        **dataclasses.asdict(conversion),
        "kept": conversion.frames - conversion.swapped,
        "versions": versions(),
        "device": jax.devices()[0].device_kind,
        "key": key,
    }
    path = path_of(output)
    aside = path.with_suffix(".json.partial")
    aside.write_text(json.dumps(record, indent=2))
    aside.rename(path)


def made_before(output: pathlib.Path, key: str) -> Conversion | None:
    """What came of the conversion that made an output; None if it was another one, or none."""
    try:
        record = json.loads(path_of(output).read_text())
        if record["key"] != key:
            return None
        names = [field.name for field in dataclasses.fields(Conversion)]
        values = {name: record[name] for name in names}
        return Conversion(**values | {"people": tuple(values["people"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _models(facts: checkpoint.Facts, face: FaceSettings) -> tuple[dict[str, Any], ...]:
    """Of both data sets, of the training and of this conversion, each once."""
    used = [*checkpoint.models_behind(facts), *weights.licences(face.models)]
    return tuple({model["sha256"]: model for model in used}.values())
