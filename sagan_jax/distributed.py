"""Devices and how arrays lie on them: data parallelism over one mesh axis."""

from __future__ import annotations

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from data_prep.errors import InputError

DATA_AXIS = "data"


def device_mesh(batch: int, devices: list[jax.Device] | None = None) -> Mesh:
    """One axis over all local devices.

    Args:
      batch: images of each identity in one step; the devices share it evenly.
      devices: which ones, default all.

    Raises:
      InputError: if the batch does not divide over the devices.
    """
    devices = devices or jax.devices()
    if batch % len(devices):
        raise InputError(
            f"--batch={batch} does not divide over {len(devices)} devices; use a multiple"
        )
    # Explicit axes, the default, refuse the gathers and pixel shuffles of the step.
    return Mesh(np.array(devices), (DATA_AXIS,), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds the whole array."""
    return NamedSharding(mesh, PartitionSpec())


def split_batch(mesh: Mesh) -> NamedSharding:
    """`[2, N, ...]`: both identities on every device, the images shared out."""
    return NamedSharding(mesh, PartitionSpec(None, DATA_AXIS))
