"""A trained generator, from a training folder or from the small folder it was exported to.

An exported folder holds `generator.safetensors` (the averaged generator, flat names, float32),
`facts.json` (the facts of its checkpoint, with its step) and the model card. Reading it takes no
optimiser, no Orbax and no data set.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.sharding import SingleDeviceSharding

from data_prep import json_records
from data_prep.errors import InputError
from data_prep.json_records import JsonObject
from data_prep.runtime import files
from sagan_jax.checkpoints import checkpoint, model_card, stats_log
from sagan_jax.checkpoints.facts import CheckpointFacts
from sagan_jax.configs.config import Config
from sagan_jax.networks.generator import Generator

WEIGHTS, _FACTS = "generator.safetensors", "facts.json"


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained generator, ready to render.

    Attributes:
      params: parameters of the averaged generator, float32.
      facts: what its checkpoint states about itself.
      step: step of that checkpoint.
      fingerprint: SHA-256 of the parameters.
    """

    params: Any
    facts: CheckpointFacts
    step: int
    fingerprint: str

    @property
    def config(self) -> Config:
        """Config of the run."""
        return self.facts.config

    @property
    def images(self) -> int:
        """Images of both identities that it was trained on."""
        return self.step * 2 * self.config.batch


@dataclasses.dataclass(frozen=True)
class _Export:
    """Contents of `facts.json` in an exported folder.

    Attributes:
      step: step of the checkpoint.
      fingerprint: SHA-256 of the parameters.
      sha256: hex digest of the file of weights.
      facts: what the checkpoint states about itself.
    """

    step: int
    fingerprint: str
    sha256: str
    facts: CheckpointFacts

    def to_json(self) -> JsonObject:
        """Plain values that JSON can hold."""
        return {**vars(self), "facts": self.facts.to_json()}

    @classmethod
    def read(cls, folder: pathlib.Path) -> _Export:
        """Reads the record of an exported folder.

        Raises:
          InputError: if it is missing, damaged or of another schema.
        """
        path = folder / _FACTS
        try:
            values = json.loads(path.read_text())
            step, fingerprint, sha256 = json_records.from_json(
                tuple[int, str, str], (values["step"], values["fingerprint"], values["sha256"])
            )
            facts = checkpoint.read_facts(folder, values["facts"])
            return cls(step, fingerprint, sha256, facts)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: missing or damaged; export the model again") from error


def load(folder: str | pathlib.Path, which: str = "latest") -> Trained:
    """Reads the model of a training folder or an exported one.

    Args:
      folder: training folder or exported folder.
      which: checkpoint of a training folder: `latest`, `best` or the number of a step. An
        exported folder holds one.

    Raises:
      InputError: if there is no usable model, or it is damaged.
    """
    folder = pathlib.Path(folder)
    return _exported(folder, which) if is_exported(folder) else _of_training(folder, which)


def facts(folder: pathlib.Path) -> CheckpointFacts:
    """Reads the facts of a model of either kind, without its parameters.

    Raises:
      InputError: if there are none.
    """
    if is_exported(folder):
        return _Export.read(folder).facts
    with checkpoint.Checkpoints(folder) as checkpoints:
        return checkpoints.facts()


def is_exported(folder: pathlib.Path) -> bool:
    """Whether a folder claims to be an exported model."""
    return (folder / WEIGHTS).is_file()


def export(workdir: pathlib.Path, out: pathlib.Path, which: str = "latest") -> Trained:
    """Writes a model as a folder of its own; it appears when it is whole.

    Args:
      workdir: training folder.
      out: new folder.
      which: see `load`.

    Raises:
      InputError: if there is no usable checkpoint, or something has that name.
    """
    if out.exists():
        raise InputError(f"{out}: exists; give another folder", setting="out")
    trained = _of_training(workdir, which)
    flat = {name: np.asarray(leaf) for name, leaf in _flat(trained.params).items()}
    measured = stats_log.held_out(workdir, trained.images)
    out.parent.mkdir(parents=True, exist_ok=True)
    with files.write_atomically(out) as aside:
        aside.mkdir()
        (aside / WEIGHTS).write_bytes(safetensors.numpy.save(flat))
        sha256 = files.sha256_of(aside / WEIGHTS)
        record = _Export(trained.step, trained.fingerprint, sha256, trained.facts)
        (aside / _FACTS).write_text(json.dumps(record.to_json(), indent=2))
        model_card.write(aside, trained.facts, trained.images, measured)
    return trained


def _exported(folder: pathlib.Path, which: str) -> Trained:
    export = _Export.read(folder)
    if which not in ("latest", "best", str(export.step)):
        raise InputError(
            f"{folder}: holds step {export.step} alone, so there is none to choose",
            setting="checkpoint_step",
        )
    if files.sha256_of(folder / WEIGHTS) != export.sha256:
        raise InputError(f"{folder / WEIGHTS}: is damaged (SHA-256 differs); export it again")
    flat = safetensors.numpy.load_file(folder / WEIGHTS)
    params = jax.device_put(unflatten_dict(flat, sep="/"))
    return Trained(params, export.facts, export.step, export.fingerprint)


def _of_training(workdir: pathlib.Path, which: str) -> Trained:
    with checkpoint.Checkpoints(workdir) as checkpoints:
        step = checkpoints.find(which)
        facts = checkpoints.facts(step)
        model = facts.config.model
        pair = jax.ShapeDtypeStruct((2, 1, *model.input_shape), jnp.float32)
        shapes = jax.eval_shape(Generator(model).init, jax.random.key(0), pair)["params"]
        here = SingleDeviceSharding(jax.devices()[0])
        params = checkpoints.restore(step, ema=checkpoint.abstract_like(shapes, here))["ema"]
    return Trained(params, facts, step, _fingerprint(params))


def _flat(params: Any) -> dict[str, Any]:
    return dict(flatten_dict(params, sep="/"))


def _fingerprint(params: Any) -> str:
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        digest.update(jax.tree_util.keystr(path).encode())
        digest.update(np.asarray(leaf).tobytes())
    return digest.hexdigest()
