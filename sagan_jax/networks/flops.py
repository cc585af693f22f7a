"""Parameters and arithmetic of a configuration, counted without running it.

Only convolutions and matrix products count, with their padding; everything else together is a few
percent. XLA's own count is no use here: it counts the body of a loop once, however often it runs.
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
      flops: floating-point operations, those on padding included; a multiply-add is two.
      bytes: size of operands and result.
    """

    flops: float
    bytes: float


@dataclasses.dataclass(frozen=True)
class ModelCost:
    """Size and arithmetic of the networks.

    Attributes:
      encoder: parameters of the encoder.
      decoder: parameters of one of the two decoders.
      discriminator: parameters of one of the two discriminators.
      swap_flops: floating-point operations to encode one crop and decode it; a multiply-add is two.
      discriminator_flops: floating-point operations to score one image.
    """

    encoder: int
    decoder: int
    discriminator: int
    swap_flops: float
    discriminator_flops: float

    @property
    def parameters(self) -> int:
        """Parameters of the encoder, both decoders and both discriminators."""
        return self.encoder + 2 * self.decoder + 2 * self.discriminator


def count_model(config: ModelConfig) -> ModelCost:
    """Counts the networks of a configuration; only shapes are computed."""
    generator, discriminator = Generator(config), make_discriminator(config)
    crop = jax.ShapeDtypeStruct((1, *config.input_shape), jnp.float32)
    image = jax.ShapeDtypeStruct((*crop.shape[:-1], 3), jnp.float32)
    crops_of_both = jax.ShapeDtypeStruct((2, *crop.shape), jnp.float32)
    key = jax.random.key(0)
    generator_params = jax.eval_shape(generator.init, key, crops_of_both)["params"]
    discriminator_params = jax.eval_shape(discriminator.init, key, image, crop)["params"]

    def swap(params: Any, x: jax.Array) -> Any:
        code = generator.apply({"params": params}, x, method="encode")
        out = generator.apply({"params": params}, code, 0, method="decode")
        return out.rgb, out.mask

    def score(params: Any, image: jax.Array, x: jax.Array) -> jax.Array:
        return discriminator.apply({"params": params}, image, x)

    return ModelCost(
        encoder=_size(generator_params["encoder"]),
        decoder=_size(generator_params["decoders_0"]),
        discriminator=_size(discriminator_params),
        swap_flops=_flops(swap, generator_params, crop),
        discriminator_flops=_flops(score, discriminator_params, image, crop),
    )


def count_step(step: Callable[..., Any], *arguments: Any) -> float:
    """Counts the floating-point operations of one call of the training step."""
    return _flops(step, *arguments)


def products(function: Callable[..., Any], *arguments: Any) -> list[Product]:
    """Lists every convolution and matrix product of a function, as often as it is computed.

    Args:
      function: a function of arrays, compiled or not.
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
            # The gradient of a strided convolution puts zeros between the numbers of its image;
            # products with these are left out.
            yield _product(equation, terms / math.prod(equation.params["lhs_dilation"]))
        elif equation.primitive.name == "dot_general":
            shape = equation.invars[0].aval.shape
            (contracted, _), _ = equation.params["dimension_numbers"]
            yield _product(equation, math.prod(shape[axis] for axis in contracted))
        for inner in _inner(equation):
            # Only a scan has a length: its body runs that many times.
            yield from list(_products(inner)) * equation.params.get("length", 1)


def _product(equation: Any, terms: float) -> Product:
    """Costs of an equation whose results are sums of `terms` products each."""
    (result,) = equation.outvars
    arrays = [*equation.invars, result]
    moved = sum(array.aval.size * array.aval.dtype.itemsize for array in arrays)
    return Product(2 * terms * result.aval.size, moved)


def _inner(equation: Any) -> Iterator[Any]:
    """Yields the programs that an equation calls.

    Of alternative branches only the last counts: `platform_dependent` keeps the default there.
    """
    for value in equation.params.values():
        for one in value[-1:] if isinstance(value, tuple | list) else [value]:
            if hasattr(one, "eqns"):
                yield one
            elif hasattr(one, "jaxpr"):
                yield one.jaxpr
