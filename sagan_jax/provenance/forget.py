"""Removes a person: data sets, also unfinished ones, and the models trained on them."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shutil
from collections.abc import Callable

from data_prep.dataset import identity_card
from data_prep.errors import InputError
from sagan_jax.checkpoints import exported_model


@dataclasses.dataclass(frozen=True)
class Traces:
    """Everything under a folder that was made of a person.

    Attributes:
      data_sets: folders of prepared crops, also unfinished ones and the parts that a stopped
        preparation leaves.
      models: training folders, with checkpoints, previews and plots; and exported models.
      rendered: records of videos made with such a model; these are listed, not removed.
      unreadable: folders that could hold something and cannot be read.
    """

    data_sets: tuple[pathlib.Path, ...]
    models: tuple[pathlib.Path, ...]
    rendered: tuple[pathlib.Path, ...]
    unreadable: tuple[pathlib.Path, ...]


def find(root: pathlib.Path, identity: str) -> Traces:
    """Searches a folder and everything below it for traces of a person; links are not followed.

    Args:
      root: folder to search.
      identity: name of the person, as given to preparation.

    Raises:
      InputError: if there is no such folder.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder", setting="root")
    data_sets, models, rendered, unreadable = (list[pathlib.Path]() for _ in range(4))
    for name, folders, files in os.walk(root):
        folder = pathlib.Path(name)
        # Clearing `folders` keeps `os.walk` out of what is removed as a whole.
        if identity_card.CARD in files:
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
    found: list[pathlib.Path],
    unreadable: list[pathlib.Path],
) -> None:
    """Appends a folder to `found` if it names the person, or to `unreadable`."""
    try:
        if identity in names(folder):
            found.append(folder)
    except (InputError, OSError, ValueError, KeyError):
        # Unreadable folders are listed, so that nobody takes them for free of traces.
        unreadable.append(folder)


def _data_set_names(folder: pathlib.Path) -> list[str]:
    return [identity_card.name_in(folder)]


def _model_names(folder: pathlib.Path) -> list[str]:
    """Names of all people the model learned from, also in runs it began with."""
    return [one.identity for one in exported_model.facts(folder).learned_from]


def _is_record(path: pathlib.Path, identity: str) -> bool:
    """Whether a file is the record of a conversion that names the person."""
    if path.suffix != ".json":
        return False
    # Folders may hold JSON of any kind.
    try:
        record = json.loads(path.read_text())
        return identity in [one["identity"] for one in record["identities"]]
    except (OSError, ValueError, KeyError, TypeError):
        return False
