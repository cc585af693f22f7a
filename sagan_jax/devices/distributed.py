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
_TIMEOUT_S = 300


def initialise(coordinator: str, processes: int, process: int) -> None:
    """Joins this process to the others of a run, before any other use of JAX.

    From then on SIGTERM to one process asks all of them to stop (`should_stop`).

    Args:
      coordinator: `host:port` of the first process, which listens there.
      processes: number of processes.
      process: number of this one, from 0.

    Raises:
      InputError: if the others are not found.
    """
    try:
        jax.distributed.initialize(
            coordinator, processes, process, initialization_timeout=_TIMEOUT_S
        )
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"coordinator {coordinator}: process {process} of {processes} found no others "
            f"({reason}); is process 0 running there, and can its port be reached?",
            setting="coordinator",
        ) from error


def is_first_process() -> bool:
    """Whether this process writes the files that only one process should write."""
    return jax.process_index() == 0


def own_folder(folder: pathlib.Path) -> pathlib.Path:
    """Returns a folder for files that every process writes but the run needs only once.

    For the first process this is `folder` itself, for every other one a temporary folder that is
    removed when the process ends.
    """
    if is_first_process():
        return folder
    own = pathlib.Path(tempfile.mkdtemp(prefix="sagan-jax-"))
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    return own


def should_stop(step: int) -> bool:
    """Whether all processes should stop now, because one of them received SIGTERM.

    Every process calls this after every step. The processes agree on a step that none of them has
    reached yet. Always False for a single process.

    Args:
      step: number of this call, one higher each time.
    """
    return jax.process_count() > 1 and multihost_utils.reached_preemption_sync_point(step)


def device_mesh(
    batch: int, devices: Sequence[jax.Device] | None = None, *, accumulate: int = 1
) -> Mesh:
    """Returns a mesh with one axis over all devices of all processes.

    Args:
      batch: images of each identity in one step; the devices share it evenly.
      devices: devices to use, by default all.
      accumulate: parts in which each device works on its share.

    Raises:
      InputError: if the batch does not divide over the devices and the parts.
    """
    devices = devices or jax.devices()
    if batch % (len(devices) * accumulate):
        parts = f" in {accumulate} parts each" if accumulate > 1 else ""
        raise InputError(
            f"a batch of {batch} does not divide over {len(devices)} devices{parts}; use a "
            f"multiple of {len(devices) * accumulate}",
            setting="batch",
        )
    # Explicit axes, the default, refuse the gathers and pixel shuffles of the step.
    return Mesh(np.array(devices), (DATA_AXIS,), axis_types=(AxisType.Auto,))


def replicate(tree: Any, mesh: Mesh) -> Any:
    """Puts arrays that are equal in every process whole on every device."""
    sharding = replicated_sharding(mesh)
    # `jax.device_put` would compare the arrays across processes first.
    return jax.tree.map(
        lambda leaf: jax.make_array_from_process_local_data(sharding, leaf, leaf.shape), tree
    )


def replicated_sharding(mesh: Mesh) -> NamedSharding:
    """Sharding of arrays that every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Sharding of `[2, N, ...]`: both identities on every device, the N images split."""
    return NamedSharding(mesh, PartitionSpec(None, DATA_AXIS))
