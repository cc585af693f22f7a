"""What a configuration costs: parameters and arithmetic, counted by XLA without running it."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp

from sagan_jax.config import ModelConfig
from sagan_jax.discriminator import critic
from sagan_jax.generator import Generator


@dataclasses.dataclass(frozen=True)
class Cost:
    """Size and arithmetic of the networks.

    Attributes:
      encoder: parameters.
      decoder: parameters of one of the two.
      discriminator: parameters of one of the two.
      swap_flops: floating-point operations to encode one crop and draw it; a
        multiply-add is two.
      judge_flops: of one picture by its critic.
    """

    encoder: int
    decoder: int
    discriminator: int
    swap_flops: float
    judge_flops: float

    @property
    def parameters(self) -> int:
        """Of encoder, both decoders and both critics."""
        return self.encoder + 2 * self.decoder + 2 * self.discriminator


def cost(config: ModelConfig) -> Cost:
    """Counts one model; only shapes are computed."""
    side = config.resolution
    generator, network = Generator(config), critic(config)
    crop = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
    pair = jax.ShapeDtypeStruct((2, *crop.shape), jnp.float32)
    key = jax.random.key(0)
    drawing = jax.eval_shape(generator.init, key, pair)["params"]
    judging = jax.eval_shape(network.init, key, crop, crop)["params"]

    def swap(params: Any, x: jax.Array) -> Any:
        code = generator.apply({"params": params}, x, method="encode")
        out = generator.apply({"params": params}, code, 0, method="decode")
        return out.rgb, out.mask

    def judge(params: Any, x: jax.Array) -> jax.Array:
        return network.apply({"params": params}, x, x)

    return Cost(
        encoder=_size(drawing["encoder"]),
        decoder=_size(drawing["decoders_0"]),
        discriminator=_size(judging),
        swap_flops=_flops(swap, drawing, crop),
        judge_flops=_flops(judge, judging, crop),
    )


def of_step(step: Any, *arguments: Any) -> float:
    """Operations of one training step as it is called, by the same count."""
    bound: Any = step if isinstance(step, functools.partial) else functools.partial(step)
    analysis = bound.func.lower(*arguments, **bound.keywords).cost_analysis()
    assert analysis is not None, "XLA counts every program before it is compiled"
    return float(analysis["flops"])


def _size(tree: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def _flops(function: Any, *arguments: Any) -> float:
    """Of the program before the backend optimises it, so the same for all devices.

    Multiplications with padding are not counted.
    """
    analysis = jax.jit(function).lower(*arguments).cost_analysis()
    assert analysis is not None, "XLA counts every program before it is compiled"
    return float(analysis["flops"])
