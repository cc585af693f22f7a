"""Processes, devices, and how arrays lie on them: data parallelism over one mesh axis."""

from __future__ import annotations

import atexit
import pathlib
import shutil
import tempfile
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from data_prep.errors import InputError

DATA_AXIS = "data"
# How long processes wait for each other at the start.
_PATIENCE_S = 300


def initialise(coordinator: str, processes: int, process: int) -> None:
    """Joins this process to the others of a run; before JAX is used for anything else.

    From then on SIGTERM to one process is a wish of all to stop (`all_stop`).

    Args:
      coordinator: `host:port` of the first process, which listens there.
      processes: how many there are.
      process: which one this is, from 0.

    Raises:
      InputError: if the others are not found.
    """
    try:
        jax.distributed.initialize(
            coordinator, processes, process, initialization_timeout=_PATIENCE_S
        )
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"--coordinator={coordinator}: process {process} of {processes} found no others "
            f"({str(error).splitlines()[0]}); is process 0 running there, and can its port be "
            "reached?"
        ) from error


def is_first() -> bool:
    """Whether this is the process that writes what one process is enough for."""
    return jax.process_index() == 0


def own_folder(folder: pathlib.Path) -> pathlib.Path:
    """Where a process writes what the run needs but once.

    The folder itself for the first process; for each other one of its own, which is thrown away
    when it ends.
    """
    if is_first():
        return folder
    own = pathlib.Path(tempfile.mkdtemp(prefix="sagan-jax-"))
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    return own


def all_stop(asked: int) -> bool:
    """Whether all processes are to stop now, since one of them was told to.

    Each has to ask after every step, with a number that is one higher each time: they agree on
    a number that none has reached yet. False if there is but one process.
    """
    return jax.process_count() > 1 and multihost_utils.reached_preemption_sync_point(asked)


def device_mesh(
    batch: int, devices: Sequence[jax.Device] | None = None, *, accumulate: int = 1
) -> Mesh:
    """One axis over all devices of all processes.

    Args:
      batch: images of each identity in one step; the devices share it evenly.
      devices: which ones, default all.
      accumulate: parts in which each device works on its share.

    Raises:
      InputError: if the batch does not divide over the devices and the parts.
    """
    devices = devices or jax.devices()
    if batch % (len(devices) * accumulate):
        parts = f" in {accumulate} parts each" if accumulate > 1 else ""
        raise InputError(
            f"--batch={batch} does not divide over {len(devices)} devices{parts}; use a multiple "
            f"of {len(devices) * accumulate}"
        )
    # Explicit axes, the default, refuse the gathers and pixel shuffles of the step.
    return Mesh(np.array(devices), (DATA_AXIS,), axis_types=(AxisType.Auto,))


def place(tree: Any, mesh: Mesh) -> Any:
    """Arrays that every process has alike, whole on every device."""
    sharding = replicated(mesh)
    return jax.tree.map(
        lambda leaf: jax.make_array_from_process_local_data(sharding, leaf, leaf.shape), tree
    )


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds the whole array."""
    return NamedSharding(mesh, PartitionSpec())


def split_batch(mesh: Mesh) -> NamedSharding:
    """`[2, N, ...]`: both identities on every device, the images shared out."""
    return NamedSharding(mesh, PartitionSpec(None, DATA_AXIS))
