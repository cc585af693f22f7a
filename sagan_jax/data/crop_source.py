"""Where the steps get their crops from: whole data sets on the devices, or windows of them that
follow each other. Both are of one type, and the same compiled step draws from both.

Two minutes of video at 64 px are 75 MB: nearly always everything fits.
"""

from __future__ import annotations

import itertools
import os
import pathlib
from collections.abc import Iterator
from typing import Protocol

import jax
from absl import logging
from jax.sharding import Mesh

from data_prep.dataset import identity_card, reader, shuffled_reader
from data_prep.runtime import prefetch
from data_prep.runtime.progress import Progress
from sagan_jax.configs.config import Config
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.data import identity_crops
from sagan_jax.data.sampling import People, with_sampling_weights
from sagan_jax.devices import distributed
from sagan_jax.inputs.identity_stats import IdentityStats

Folders = tuple[pathlib.Path, pathlib.Path]

# Crops of each person in a window. At 256 px the two windows of two people take 1.6 GB.
_WINDOW = 1024
# Share of a device's memory that `auto` gives to the crops.
_MOST = 0.25
_BYTES_A_PIXEL = 6


class Source(Protocol):
    """Where the crops come from.

    Attributes:
      portraits: of A and of B.
    """

    identity_stats: tuple[IdentityStats, IdentityStats]

    def at(self, step: int) -> People:
        """What a step draws from, on the devices."""

    def close(self) -> None:
        """Ends what runs in the background."""


def open_source(config: Config, folders: Folders, mesh: Mesh) -> Source:
    """The source that the config asks for; says which.

    Args:
      config: of the run.
      folders: data sets of A and B.
      mesh: whose devices each get all crops.

    Raises:
      InputError: if a data set cannot be used.
    """
    crops = sum(identity_card.read_card(folder).count("train") for folder in folders)
    size = crops * config.model.resolution**2 * _BYTES_A_PIXEL
    memory = _memory(mesh.local_devices[0])
    chosen = config.execution.data
    if chosen == "auto":
        chosen = "resident" if size <= _MOST * memory else "stream"
    logging.info(
        "Data: %s; all %d crops take %.2f GB of the %.0f GB of a device.",
        chosen, crops, size / 1e9, memory / 1e9,
    )  # fmt: skip
    return (Resident if chosen == "resident" else Stream)(config, folders, mesh)


class Resident:
    """All crops, on every device."""

    def __init__(self, config: Config, folders: Folders, mesh: Mesh):
        a, b = (
            identity_crops.load(folder, "train", config.model.crop_window) for folder in folders
        )
        self.identity_stats = a[1], b[1]
        self._people: People = distributed.place(
            with_sampling_weights((a[0], b[0]), config.sampling), mesh
        )

    def at(self, step: int) -> People:
        """See `Source`."""
        del step
        return self._people

    def close(self) -> None:
        """See `Source`."""


class Stream:
    """A window of random crops, exchanged after as many draws as there are crops in it.

    The next window is read, decoded and sent to the devices meanwhile. Which crops are in
    which window depends on the seed alone, and which window serves a step on the step alone,
    so a run that is continued goes on as if it had not stopped.
    """

    def __init__(self, config: Config, folders: Folders, mesh: Mesh):
        self._config, self._folders, self._mesh = config, folders, mesh
        a, b = (_stats_of(folder, config.model.crop_window) for folder in folders)
        self.identity_stats = a, b
        self._steps = max(1, _WINDOW // config.batch)
        self._number: int | None = None

    def at(self, step: int) -> People:
        """See `Source`."""
        number = step // self._steps
        if number != self._number:
            if self._number is None or number != self._number + 1:
                self.close()
                self._following = prefetch.fetch(self._windows(number), 1)
            self._people, self._number = next(self._following), number
        return self._people

    def close(self) -> None:
        """See `Source`."""
        if self._number is not None:
            self._following.close()

    def _windows(self, first: int) -> Iterator[People]:
        crop_window = self._config.model.crop_window
        streams = [
            identity_crops.framed(
                shuffled_reader.read(folder, 2 * self._config.seed + i, first * _WINDOW),
                crop_window,
            )
            for i, folder in enumerate(self._folders)
        ]
        while True:
            a, b = (
                identity_crops.gather(itertools.islice(stream, _WINDOW), portrait)
                for stream, portrait in zip(streams, self.identity_stats, strict=True)
            )
            yield distributed.place(
                with_sampling_weights((a, b), self._config.sampling), self._mesh
            )


def _stats_of(folder: pathlib.Path, crop_window: CropWindow) -> IdentityStats:
    """As `data.load` would find it, in constant memory."""
    card = identity_card.read_card(folder)
    examples = identity_crops.framed(reader.read(folder, "train"), crop_window)
    what = f"colours of {card.identity}"
    with Progress(what, total=card.count("train"), unit="crops") as progress:
        return identity_crops.identity_stats(progress.track(examples))


def _memory(device: jax.Device) -> int:
    """Bytes that the device may use; of a CPU, all memory of the machine."""
    stats = device.memory_stats()
    if stats is not None and "bytes_limit" in stats:
        return stats["bytes_limit"]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
