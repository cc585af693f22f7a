"""Best possible speed of a training step on a device (Williams, Waterman & Patterson, "Roofline",
2009).

Only convolutions and matrix products count, as a compiler fuses everything else into them, and the
update, which reads and writes the whole state. Each product reads its operands from memory and
writes its result; it takes as long as its arithmetic or as long as this traffic, whichever is
longer. Kernel launches, exchanges between devices and anything that does not fuse come on top.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp

from sagan_jax.configs.config import Config
from sagan_jax.data.identity_crops import IdentityCrops
from sagan_jax.devices import distributed
from sagan_jax.inputs.generator_input import MASK_CHANNELS
from sagan_jax.networks import flops
from sagan_jax.networks.flops import Product
from sagan_jax.training import train_state, train_step


@dataclasses.dataclass(frozen=True)
class Device:
    """Peak rates of a device, from its data sheet.

    Attributes:
      name: name of the device.
      flops: multiplications and additions a second, in the precision of the step.
      bandwidth: bytes a second from and to its memory.
    """

    name: str
    flops: float
    bandwidth: float


# Dense, bfloat16 (NVIDIA, H100 Tensor Core GPU data sheet, SXM).
H100 = Device("H100 SXM", 989.4e12, 3.35e12)


def products(config: Config) -> list[Product]:
    """Products of one training step on one device, with its update as the last one.

    Nothing is computed but shapes.
    """
    # Only shapes are needed, so the crops are abstract arrays.
    mesh = distributed.device_mesh(config.batch, jax.devices()[:1])
    side = config.model.resolution
    crops, masks = (
        jax.ShapeDtypeStruct((config.batch, side, side, channels), jnp.uint8)
        for channels in (3, len(MASK_CHANNELS))
    )
    colour = jax.ShapeDtypeStruct((3,), jnp.float32)
    person = IdentityCrops(crops, masks, colour, colour)
    fresh = jax.eval_shape(lambda key: train_state.create(key, config), jax.random.key(0))
    # The update reads and writes the state, and gradients that are as large as the parameters.
    parameters = (fresh.generator, fresh.discriminator)
    update = Product(0.0, 2.0 * (_bytes(fresh) + _bytes(parameters)))
    step = train_step.jitted_step(config, mesh)
    return [*flops.products(step, fresh, (person, person)), update]


def seconds(needed: Iterable[Product], device: Device) -> float:
    """Least time that products take, one after the other."""
    return sum(max(p.flops / device.flops, p.bytes / device.bandwidth) for p in needed)


def _bytes(tree: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
