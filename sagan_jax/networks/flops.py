"""What a configuration costs: parameters and arithmetic, counted without running it.

Only convolutions and matrix products count, with their padding; all the rest together is a few
percent. XLA's own count takes a loop once, however often it runs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from sagan_jax.configs.config import ModelConfig
from sagan_jax.networks.discriminator import make_discriminator
from sagan_jax.networks.generator import Generator


@dataclasses.dataclass(frozen=True)
class Product:
    """One convolution or matrix product.

    Attributes:
      flops: a multiply-add is two; those with padding count.
      bytes: of operands and result.
    """

    flops: float
    bytes: float


@dataclasses.dataclass(frozen=True)
class ModelCost:
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


def count(config: ModelConfig) -> ModelCost:
    """Counts one model; only shapes are computed."""
    generator, network = Generator(config), make_discriminator(config)
    shown = jax.ShapeDtypeStruct((1, *config.input_shape), jnp.float32)
    picture = jax.ShapeDtypeStruct((*shown.shape[:-1], 3), jnp.float32)
    pair = jax.ShapeDtypeStruct((2, *shown.shape), jnp.float32)
    key = jax.random.key(0)
    drawing = jax.eval_shape(generator.init, key, pair)["params"]
    judging = jax.eval_shape(network.init, key, picture, shown)["params"]

    def swap(params: Any, x: jax.Array) -> Any:
        code = generator.apply({"params": params}, x, method="encode")
        out = generator.apply({"params": params}, code, 0, method="decode")
        return out.rgb, out.mask

    def judge(params: Any, drawn: jax.Array, x: jax.Array) -> jax.Array:
        return network.apply({"params": params}, drawn, x)

    return ModelCost(
        encoder=_size(drawing["encoder"]),
        decoder=_size(drawing["decoders_0"]),
        discriminator=_size(judging),
        swap_flops=_flops(swap, drawing, shown),
        judge_flops=_flops(judge, judging, picture, shown),
    )


def of_step(step: Callable[..., Any], *arguments: Any) -> float:
    """Operations of one call of the training step, by the same count."""
    return sum(product.flops for product in products(step, *arguments))


def products(function: Callable[..., Any], *arguments: Any) -> list[Product]:
    """Every convolution and matrix product of a function, as often as it is computed.

    Args:
      function: of arrays; compiled or not.
      *arguments: its arguments, or their shapes.
    """
    return list(_products(jax.make_jaxpr(function)(*arguments).jaxpr))


def _size(tree: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def _flops(function: Any, *arguments: Any) -> float:
    return sum(product.flops for product in products(function, *arguments))


def _products(jaxpr: Any) -> Iterator[Product]:
    for equation in jaxpr.eqns:
        if equation.primitive.name == "conv_general_dilated":
            kernel, numbers = equation.invars[1].aval, equation.params["dimension_numbers"]
            terms = kernel.size / kernel.shape[numbers.rhs_spec[0]]
            # The gradient of a stride: between the numbers of the image lie zeros.
            yield _product(equation, terms / math.prod(equation.params["lhs_dilation"]))
        elif equation.primitive.name == "dot_general":
            shape = equation.invars[0].aval.shape
            (contracted, _), _ = equation.params["dimension_numbers"]
            yield _product(equation, math.prod(shape[axis] for axis in contracted))
        for inner in _inner(equation):
            yield from list(_products(inner)) * equation.params.get("length", 1)


def _product(equation: Any, terms: float) -> Product:
    """`terms` are added up to each number of the result."""
    (result,) = equation.outvars
    arrays = [*equation.invars, result]
    moved = sum(array.aval.size * array.aval.dtype.itemsize for array in arrays)
    return Product(2 * terms * result.aval.size, moved)


def _inner(equation: Any) -> Iterator[Any]:
    """The programs that an equation calls; of several to choose from the last, which
    `platform_dependent` has for devices in general."""
    for value in equation.params.values():
        for one in value[-1:] if isinstance(value, tuple | list) else [value]:
            if hasattr(one, "eqns"):
                yield one
            elif hasattr(one, "jaxpr"):
                yield one.jaxpr
