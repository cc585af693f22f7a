"""The arithmetic of the networks, decided here and nowhere else.

Parameters, their average and moments, losses and the power iteration are always float32. With
`bfloat16` the networks compute on rounded copies of parameters and inputs and return float32;
norms and the softmax inside them stay float32 all the same. Losses need no scaling
(Kalamkar et al., "A Study of BFLOAT16 for Deep Learning Training", 2019).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from sagan_jax.configs.config import Config

Params = Any  # the parameter tree of a Flax module

# Their matrix units multiply bfloat16 at several times the speed of float32; XLA on a CPU does not.
_ACCELERATORS = ("gpu", "tpu")


def resolve(config: Config, device: jax.Device) -> Config:
    """Returns the config with a precision of `auto` replaced by the one that suits the device."""
    if config.execution.precision != "auto":
        return config
    execution = dataclasses.replace(
        config.execution,
        precision="bfloat16" if device.platform in _ACCELERATORS else "float32",
    )
    return dataclasses.replace(config, execution=execution)


def apply(
    module: nn.Module, params: Params, *inputs: jax.Array, config: Config, method: str | None = None
) -> Any:
    """Runs a network in the configured arithmetic.

    Args:
      module: the network.
      params: its parameters, float32.
      *inputs: its inputs, float32.
      config: config of the run; a precision of `auto` counts as float32, see `resolve`.
      method: name of the module's method to call, by default `__call__`.

    Returns:
      The result of the method, float32.
    """
    dtype = jnp.bfloat16 if config.execution.precision == "bfloat16" else jnp.float32
    params, inputs = _cast((params, inputs), dtype)
    # Networks need not be as exact as the losses around them (`exact`): matrix units may round to
    # the type they are made for, such as TF32 for float32.
    with jax.default_matmul_precision("default"):
        return _cast(module.apply({"params": params}, *inputs, method=method), jnp.float32)


def exact() -> Any:
    """Returns a context in which matrix products of float32 are float32 on every device.

    Otherwise GPUs round to TF32 and TPUs to bfloat16: too coarse for the variances of SSIM,
    which are differences of nearly equal numbers.
    """
    return jax.default_matmul_precision("float32")


def _cast(tree: Any, dtype: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.astype(dtype), tree)
