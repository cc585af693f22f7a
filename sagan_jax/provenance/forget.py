"""Removes a person: data sets, unfinished data sets and parts of them, models trained on them."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shutil
from collections.abc import Callable

from data_prep.errors import InputError
from sagan_jax.checkpoints import checkpoint, exported_model


@dataclasses.dataclass(frozen=True)
class Traces:
    """What is left of a person under a folder.

    Attributes:
      data_sets: folders of prepared crops, also unfinished ones and the parts `launch.prep`
        keeps of them.
      models: training folders: checkpoints, previews, figures; and exported models.
      rendered: records of videos made with such a model; these are shown, not removed.
      unreadable: folders that could hold something and cannot be read.
    """

    data_sets: tuple[pathlib.Path, ...]
    models: tuple[pathlib.Path, ...]
    rendered: tuple[pathlib.Path, ...]
    unreadable: tuple[pathlib.Path, ...]


def find(root: pathlib.Path, identity: str) -> Traces:
    """Looks through a folder and all below it; links are not followed.

    Args:
      root: where to look.
      identity: name of the person, as given to preparation.

    Raises:
      InputError: if there is no such folder.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    data_sets, models, rendered, unreadable = (list[pathlib.Path]() for _ in range(4))
    for name, folders, files in os.walk(root):
        folder = pathlib.Path(name)
        if "card.json" in files:
            _sort(folder, _data_set_names, identity, data_sets, unreadable)
            folders.clear()
        elif "checkpoints" in folders or exported_model.is_exported(folder):
            _sort(folder, _model_names, identity, models, unreadable)
            folders.clear()
        else:
            rendered += [folder / file for file in files if _is_record(folder / file, identity)]
    return Traces(tuple(data_sets), tuple(models), tuple(rendered), tuple(unreadable))


def remove(traces: Traces) -> None:
    """Deletes data sets and models."""
    for folder in (*traces.data_sets, *traces.models):
        shutil.rmtree(folder)


def _sort(
    folder: pathlib.Path,
    names: Callable[[pathlib.Path], list[str]],
    identity: str,
    into: list[pathlib.Path],
    unreadable: list[pathlib.Path],
) -> None:
    try:
        if identity in names(folder):
            into.append(folder)
    except (InputError, OSError, ValueError, KeyError):
        unreadable.append(folder)


def _data_set_names(folder: pathlib.Path) -> list[str]:
    return [json.loads((folder / "card.json").read_text())["identity"]]


def _model_names(folder: pathlib.Path) -> list[str]:
    """Of all it learned from, also in runs it began with."""
    return [one["identity"] for one in checkpoint.learned_from(exported_model.facts(folder))]


def _is_record(path: pathlib.Path, identity: str) -> bool:
    if path.suffix != ".json":
        return False
    try:
        record = json.loads(path.read_text())
        return identity in [one["identity"] for one in record["identities"]]
    except (OSError, ValueError, KeyError, TypeError):
        return False
