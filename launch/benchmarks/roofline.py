"""How fast a training step can be at best on a device, from what its products need (Williams,
Waterman & Patterson, "Roofline", 2009).

Only convolutions and matrix products count, as a compiler fuses the rest into them, and the
update, which reads and writes all of the state. Each product reads its operands from memory and
writes its result, and takes the longer of the time for its arithmetic and the time for these
bytes. Launches, exchanges and whatever does not fuse come on top.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp

from sagan_jax.configs.config import Config
from sagan_jax.data.identity_crops import Identity
from sagan_jax.devices import distributed
from sagan_jax.inputs.generator_input import MASKS
from sagan_jax.networks import flops as flops_lib
from sagan_jax.networks.flops import Product
from sagan_jax.training import train_state, train_step


@dataclasses.dataclass(frozen=True)
class Device:
    """What a data sheet says.

    Attributes:
      name: of the device.
      flops: multiplications and additions a second, in the precision of the step.
      bandwidth: bytes a second from and to its memory.
    """

    name: str
    flops: float
    bandwidth: float


# Dense, bfloat16 (NVIDIA, H100 Tensor Core GPU data sheet, SXM).
H100 = Device("H100 SXM", 989.4e12, 3.35e12)


def products(config: Config) -> list[Product]:
    """Of one training step on one device, and its update as one more; nothing is computed."""
    mesh = distributed.device_mesh(config.batch, jax.devices()[:1])
    side = config.model.resolution
    crops, masks = (
        jax.ShapeDtypeStruct((config.batch, side, side, channels), jnp.uint8)
        for channels in (3, len(MASKS))
    )
    colour = jax.ShapeDtypeStruct((3,), jnp.float32)
    person = Identity(crops, masks, colour, colour)
    fresh = jax.eval_shape(lambda key: train_state.create(key, config), jax.random.key(0))
    learned = (fresh.generator, fresh.discriminator)
    update = Product(0.0, 2.0 * (_bytes(fresh) + _bytes(learned)))  # and as many gradients
    return [
        *flops_lib.products(train_step.jitted_step(config, mesh), fresh, (person, person)),
        update,
    ]


def seconds(needed: Iterable[Product], device: Device) -> float:
    """Least time that some products take, one after the other."""
    return sum(max(p.flops / device.flops, p.bytes / device.bandwidth) for p in needed)


def _bytes(tree: Any) -> int:
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
