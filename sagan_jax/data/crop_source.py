"""Where the steps get their crops from: whole data sets on the devices, or a sequence of windows.

Both sources return the same type, so one compiled step samples from either. Two minutes of video at
64 px are 75 MB: nearly always everything fits.
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
from sagan_jax.data.sampling import IdentityPair, with_sampling_weights
from sagan_jax.devices import distributed
from sagan_jax.inputs.identity_stats import IdentityStats

Folders = tuple[pathlib.Path, pathlib.Path]

# Crops of each person in a window. At 256 px the two windows of two people take 1.6 GB.
_WINDOW = 1024
# Largest share of a device's memory that `auto` gives to the crops.
_LARGEST_SHARE = 0.25
# Bytes of a pixel that the choice of `auto` reckons with: three of colour, three of guides.
_BYTES_A_PIXEL = 6


class Source(Protocol):
    """Source of the crops of both people.

    Attributes:
      identity_stats: statistics of all training crops of A and of B.
    """

    identity_stats: tuple[IdentityStats, IdentityStats]

    def at(self, step: int) -> IdentityPair:
        """Returns the crops, on the devices, that a step samples from."""

    def close(self) -> None:
        """Ends what runs in the background."""


def open_source(config: Config, folders: Folders, mesh: Mesh) -> Source:
    """Opens the source that the config asks for, and logs which one.

    Args:
      config: config of the run.
      folders: data sets of A and B.
      mesh: mesh of the devices; each gets all crops.

    Raises:
      InputError: if a data set cannot be used.
    """
    crops = sum(identity_card.read_card(folder).count("train") for folder in folders)
    size = crops * config.model.resolution**2 * _BYTES_A_PIXEL
    memory = _memory(mesh.local_devices[0])
    kind = config.execution.data
    if kind == "auto":
        kind = "resident" if size <= _LARGEST_SHARE * memory else "stream"
    message = "Data: %s; all %d crops take %.2f GB of the %.0f GB of a device."
    logging.info(message, kind, crops, size / 1e9, memory / 1e9)
    return (Resident if kind == "resident" else Stream)(config, folders, mesh)


class Resident:
    """A source that holds all crops on every device."""

    def __init__(self, config: Config, folders: Folders, mesh: Mesh):
        (a, stats_a), (b, stats_b) = (
            identity_crops.load(folder, "train", config.model.crop_window) for folder in folders
        )
        self.identity_stats = stats_a, stats_b
        self._people: IdentityPair = distributed.replicate(
            with_sampling_weights((a, b), config.sampling), mesh
        )

    def at(self, step: int) -> IdentityPair:
        """See `Source`."""
        del step
        return self._people

    def close(self) -> None:
        """See `Source`."""


class Stream:
    """A source that holds a window of random crops on every device.

    A window is replaced after as many samples as it has crops. Meanwhile the next one is read,
    decoded and sent to the devices. The crops of a window depend on nothing but the seed and the
    window's number, and the number on nothing but the step, so a continued run sees the same crops
    as one that never stopped.
    """

    def __init__(self, config: Config, folders: Folders, mesh: Mesh):
        self._config, self._folders, self._mesh = config, folders, mesh
        a, b = (_training_stats(folder, config.model.crop_window) for folder in folders)
        self.identity_stats = a, b
        self._steps_per_window = max(1, _WINDOW // config.batch)
        self._number: int | None = None

    def at(self, step: int) -> IdentityPair:
        """See `Source`."""
        number = step // self._steps_per_window
        if number != self._number:
            # The prefetched windows follow each other: after a jump they have to start anew.
            if self._number is None or number != self._number + 1:
                self.close()
                self._next_windows = prefetch.fetch(self._windows(number), 1)
            self._people, self._number = next(self._next_windows), number
        return self._people

    def close(self) -> None:
        """See `Source`."""
        if self._number is not None:
            self._next_windows.close()

    def _windows(self, first: int) -> Iterator[IdentityPair]:
        """Yields the windows from number `first` on, without end."""
        streams = [
            identity_crops.to_examples(
                # An order of its own for each person.
                shuffled_reader.read(folder, 2 * self._config.seed + i, first * _WINDOW),
                self._config.model.crop_window,
            )
            for i, folder in enumerate(self._folders)
        ]
        while True:
            a, b = (
                identity_crops.gather(itertools.islice(stream, _WINDOW), stats)
                for stream, stats in zip(streams, self.identity_stats, strict=True)
            )
            people = with_sampling_weights((a, b), self._config.sampling)
            yield distributed.replicate(people, self._mesh)


def _training_stats(folder: pathlib.Path, crop_window: CropWindow) -> IdentityStats:
    """Computes the statistics that `identity_crops.load` returns, in constant memory."""
    card = identity_card.read_card(folder)
    examples = identity_crops.to_examples(reader.read(folder, "train"), crop_window)
    title = f"colours of {card.identity}"
    with Progress(title, total=card.count("train"), unit="crops") as progress:
        return identity_crops.identity_stats(progress.track(examples))


def _memory(device: jax.Device) -> int:
    """Bytes that the device may use; for a CPU, all memory of the machine."""
    stats = device.memory_stats()
    if stats is not None and "bytes_limit" in stats:
        return stats["bytes_limit"]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
