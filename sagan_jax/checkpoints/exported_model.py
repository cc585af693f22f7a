"""A trained generator: from a training folder, or from the small folder it was exported to.

An exported folder holds `generator.safetensors` (the averaged generator, flat names, float32),
`facts.json` (as of a checkpoint, with its step) and the model card. It needs no optimiser, no
Orbax and no data set.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import shutil
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.sharding import SingleDeviceSharding

from data_prep.errors import InputError
from data_prep.runtime import files
from sagan_jax.checkpoints import checkpoint, model_card, stats_log
from sagan_jax.checkpoints.checkpoint import Facts
from sagan_jax.configs import overrides
from sagan_jax.configs.config import Config
from sagan_jax.networks.generator import Generator

WEIGHTS, _FACTS = "generator.safetensors", "facts.json"


@dataclasses.dataclass(frozen=True)
class Trained:
    """A generator that renders.

    Attributes:
      params: of the averaged generator.
      facts: of the checkpoint, see `checkpoint`.
      step: of that checkpoint.
      fingerprint: SHA-256 of the parameters.
    """

    params: Any
    facts: Facts
    step: int
    fingerprint: str

    @property
    def config(self) -> Config:
        """Of the run."""
        return overrides.from_dict(self.facts["config"])


def load(folder: str | pathlib.Path, which: str = "latest") -> Trained:
    """Reads a training folder or an exported one.

    Args:
      folder: which.
      which: checkpoint of a training folder: `latest`, `best` or the number of a step. An
        exported folder holds one.

    Raises:
      InputError: if there is no usable model, or it is damaged.
    """
    folder = pathlib.Path(folder)
    return _exported(folder, which) if is_exported(folder) else _of_training(folder, which)


def facts(folder: pathlib.Path) -> Facts:
    """The facts of a model of either kind, without its parameters.

    Raises:
      InputError: if there are none.
    """
    if is_exported(folder):
        return _about(folder)["facts"]
    with checkpoint.Checkpoints(folder) as checkpoints:
        return checkpoints.facts()


def is_exported(folder: pathlib.Path) -> bool:
    """Whether a folder claims to be an exported model."""
    return (folder / WEIGHTS).is_file()


def export(workdir: pathlib.Path, out: pathlib.Path, which: str = "latest") -> Trained:
    """Writes a model as a folder of its own; it appears when it is whole.

    Args:
      workdir: training folder.
      out: the folder to be.
      which: see `load`.

    Raises:
      InputError: if there is no usable checkpoint, or something has that name.
    """
    if out.exists():
        raise InputError(f"{out}: exists; give another --out")
    trained = _of_training(workdir, which)
    aside = out.with_name(f".{out.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    flat = {name: np.asarray(leaf) for name, leaf in _flat(trained.params).items()}
    (aside / WEIGHTS).write_bytes(safetensors.numpy.save(flat))
    about = {
        "step": trained.step,
        "fingerprint": trained.fingerprint,
        "sha256": files.sha256_of(aside / WEIGHTS),
        "facts": trained.facts,
    }
    (aside / _FACTS).write_text(json.dumps(about, indent=2))
    images = trained.step * 2 * trained.config.batch
    model_card.write(aside, trained.facts, images, stats_log.held_out(workdir, images))
    aside.rename(out)
    return trained


def _about(folder: pathlib.Path) -> dict[str, Any]:
    """Step, fingerprint, facts, and SHA-256 of the file of weights."""
    try:
        about = json.loads((folder / _FACTS).read_text())
        about["facts"] = checkpoint.current(folder, about["facts"])
    except (OSError, ValueError, KeyError) as error:
        path = folder / _FACTS
        raise InputError(f"{path}: missing or damaged; export the model again") from error
    return about


def _exported(folder: pathlib.Path, which: str) -> Trained:
    about = _about(folder)
    step = about["step"]
    if which not in ("latest", "best", str(step)):
        raise InputError(f"{folder}: holds step {step} alone; leave --checkpoint_step out")
    if files.sha256_of(folder / WEIGHTS) != about["sha256"]:
        raise InputError(f"{folder / WEIGHTS}: is damaged (SHA-256 differs); export it again")
    flat = safetensors.numpy.load_file(folder / WEIGHTS)
    params = jax.device_put(unflatten_dict(flat, sep="/"))
    return Trained(params, about["facts"], step, about["fingerprint"])


def _of_training(workdir: pathlib.Path, which: str) -> Trained:
    with checkpoint.Checkpoints(workdir) as checkpoints:
        step = checkpoints.find(which)
        facts = checkpoints.facts(step)
        model = overrides.from_dict(facts["config"]).model
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
