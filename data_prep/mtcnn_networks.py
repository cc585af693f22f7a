"""The three networks of MTCNN (Zhang et al., "Joint Face Detection and Alignment Using
Multi-task Cascaded Convolutional Networks", 2016), with the weights of the `mtcnn` package.

All take float32 RGB `(x - 127.5) / 128`, `[N, H, W, 3]`.
"""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np


class PReLU(nn.Module):
    """`max(x, 0) + alpha * min(x, 0)` with one alpha a channel (He et al., 2015)."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        alpha = self.param("alpha", nn.initializers.zeros, (x.shape[-1],))
        return jnp.maximum(x, 0) + alpha * jnp.minimum(x, 0)


class PNet(nn.Module):
    """Proposals: one cell for every second pixel, each looking at 12x12 pixels."""

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns box offsets `[N, h, w, 4]` and face probability `[N, h, w]`."""
        x = PReLU()(_conv(10, 3)(x))
        x = max_pool(x, 2, same=True)
        x = PReLU()(_conv(16, 3)(x))
        x = PReLU()(_conv(32, 3)(x))
        return _conv(4, 1)(x), _face_probability(_conv(2, 1)(x))


class RNet(nn.Module):
    """Refines proposals seen at 24x24."""

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns box offsets `[N, 4]` and face probability `[N]`."""
        x = max_pool(PReLU()(_conv(28, 3)(x)), 3, same=True)
        x = max_pool(PReLU()(_conv(48, 3)(x)), 3, same=False)
        x = PReLU()(_conv(64, 2)(x))
        x = PReLU()(nn.Dense(128)(_flatten(x)))
        return nn.Dense(4)(x), _face_probability(nn.Dense(2)(x))


class ONet(nn.Module):
    """The final word on candidates seen at 48x48, with five points."""

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Returns box offsets `[N, 4]`, points `[N, 10]` (five x, five y) and probability."""
        x = max_pool(PReLU()(_conv(32, 3)(x)), 3, same=True)
        x = max_pool(PReLU()(_conv(64, 3)(x)), 3, same=False)
        x = max_pool(PReLU()(_conv(64, 3)(x)), 2, same=True)
        x = PReLU()(_conv(128, 2)(x))
        x = PReLU()(nn.Dense(256)(_flatten(x)))
        return nn.Dense(4)(x), nn.Dense(10)(x), _face_probability(nn.Dense(2)(x))


def variables(arrays: Sequence[np.ndarray]) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """Flax variables from a network's arrays in the order of its layers.

    Args:
      arrays: kernel and bias of each layer, each followed by its PReLU's alpha if any.
    """
    params: dict[str, dict[str, np.ndarray]] = {}
    numbers = {"Conv": 0, "Dense": 0, "PReLU": 0}

    def add(kind: str, values: dict[str, np.ndarray]) -> None:
        params[f"{kind}_{numbers[kind]}"] = values
        numbers[kind] += 1

    rest = list(arrays)
    while rest:
        kernel = rest.pop(0)
        if kernel.ndim in (2, 4):
            bias = rest.pop(0)
            add("Conv" if kernel.ndim == 4 else "Dense", {"kernel": kernel, "bias": bias})
        else:
            add("PReLU", {"alpha": kernel.reshape(-1)})
    return {"params": params}


def max_pool(x: jax.Array, window: int, *, same: bool) -> jax.Array:
    """Max pooling with stride 2 as maxima of strided slices.

    On XLA:CPU four times as fast as `reduce_window`.
    """
    height, width = x.shape[1:3]
    out_h, out_w = (_pooled(n, window, same) for n in (height, width))
    pad_h, pad_w = (max(2 * (o - 1) + window - n, 0) for o, n in ((out_h, height), (out_w, width)))
    if pad_h or pad_w:
        # "Same" padding of an odd amount puts the larger part behind.
        around = [(p // 2, p - p // 2) for p in (pad_h, pad_w)]
        x = jnp.pad(x, [(0, 0), *around, (0, 0)], constant_values=-jnp.inf)
    parts = [
        x[:, i : i + 2 * out_h - 1 : 2, j : j + 2 * out_w - 1 : 2]
        for i in range(window)
        for j in range(window)
    ]
    result = parts[0]
    for part in parts[1:]:
        result = jnp.maximum(result, part)
    return result


def _pooled(size: int, window: int, same: bool) -> int:
    return -(-size // 2) if same else (size - window) // 2 + 1


def _conv(features: int, size: int) -> nn.Conv:
    return nn.Conv(features, (size, size), padding="VALID")


def _flatten(x: jax.Array) -> jax.Array:
    """Columns first, as the weights were trained (Caffe's MATLAB order)."""
    return x.transpose(0, 2, 1, 3).reshape(x.shape[0], -1)


def _face_probability(logits: jax.Array) -> jax.Array:
    return jax.nn.softmax(logits, axis=-1)[..., 1]
