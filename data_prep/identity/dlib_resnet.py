"""dlib's face recognition network in Flax: a ResNet-29 that embeds face chips.

Embeddings of one person lie close together.

Source: D. King, dlib's `dlib_face_recognition_resnet_model_v1` (2017; weights CC0), which is
He et al., "Deep Residual Learning for Image Recognition", 2016, with half the filters, trained
with a pairwise hinge loss on about 3 million faces of 7485 people.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from data_prep import weights
from data_prep.errors import InputError
from data_prep.records import EMBEDDING_SIZE

CHIP_SIZE = 150

# RGB, subtracted by the input layer before it divides by 256.
_MEAN = (122.782, 117.001, 104.298)
_WIDTHS = (32, 32, 32, 64, 64, 64, 64, 128, 128, 128, 256, 256, 256, 256)
# Blocks that halve the resolution; the fourth of them keeps its 256 filters.
_HALVING = (3, 7, 10, 13)

# The bytes before the tensor of a layer: the length of its name and its name; for the last layer
# also its numbers of outputs (128) and inputs (256).
_LAYER = re.compile(rb"\x01(?:\x05con_4|\x07affine_|\x04fc_2\x01\x80\x02\x00\x01)")
_TENSOR_VERSION = 2


class Block(nn.Module):
    """Residual block of two convolutions; the smaller of its two branches is zero-padded.

    Attributes:
      features: number of filters of both convolutions.
      halve: whether the block halves the resolution.
    """

    features: int
    halve: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        y = nn.relu(_conv(self.features, 3, self.halve)(x))
        y = _conv(self.features, 3, halve=False)(y)
        if self.halve:
            x = _halved(x)
        shape = np.maximum(x.shape, y.shape)
        return nn.relu(_zero_padded(x, shape) + _zero_padded(y, shape))


class ResNet(nn.Module):
    """The network: `[N, 150, 150, 3]` float32 RGB, 0..255, to `[N, EMBEDDING_SIZE]`."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = (x - jnp.array(_MEAN)) * (1 / 256)
        x = nn.relu(_conv(32, 7, halve=True)(x))
        x = nn.max_pool(x, (3, 3), (2, 2))
        for number, features in enumerate(_WIDTHS):
            x = Block(features, number in _HALVING)(x)
        return nn.Dense(EMBEDDING_SIZE, use_bias=False)(x.mean((1, 2)))


def load() -> dict[str, dict[str, Any]]:
    """Reads the trained variables of `ResNet`, each affine layer folded into its convolution.

    Raises:
      InputError: if the weights are missing or damaged.
    """
    return variables(weights.locate(weights.DLIB_RESNET).read_bytes())


def variables(stored: bytes) -> dict[str, dict[str, Any]]:
    """Like `load`, but from the bytes of dlib's file.

    Raises:
      InputError: if the bytes do not hold the tensors of this network.
    """
    found = list(tensors(stored))
    # The file names no blocks: its layers come in the order in which the network runs. Kernel and
    # bias of a convolution are one tensor, its affine layer is the next one.
    blocks = itertools.product(range(len(_WIDTHS)), (0, 1))
    names = [("Conv_0",), *((f"Block_{block}", f"Conv_{conv}") for block, conv in blocks)]
    if len(found) != 2 * len(names) + 1:
        raise InputError(f"dlib's network file has {len(found)} layers with parameters, not 59")
    # The file gives no shape of a kernel either; the network knows it.
    example = jnp.zeros((1, CHIP_SIZE, CHIP_SIZE, 3))
    shapes = flatten_dict(jax.eval_shape(ResNet().init, jax.random.key(0), example)["params"])
    params: dict[tuple[str, ...], np.ndarray] = {}
    params["Dense_0", "kernel"] = found[-1].reshape(-1, EMBEDDING_SIZE)
    for name, values, affine in zip(names, found[:-1:2], found[1:-1:2], strict=True):
        kernel, bias = _folded(values, affine, shapes[(*name, "kernel")].shape)
        params[*name, "kernel"], params[*name, "bias"] = kernel, bias
    return {"params": unflatten_dict(params)}


def _folded(
    values: np.ndarray, affine: np.ndarray, shape: tuple[int, int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Folds an affine layer into its convolution; returns the kernel (of `shape`) and the bias."""
    height, width, inputs, filters = shape
    if len(values) != filters * (height * width * inputs + 1) or len(affine) != 2 * filters:
        raise InputError("dlib's network file has a layer of another size")
    kernel = values[:-filters].reshape(filters, inputs, height, width).transpose(2, 3, 1, 0)
    gamma, beta = affine.reshape(2, filters)
    return kernel * gamma, values[-filters:] * gamma + beta


def tensors(stored: bytes) -> Iterator[np.ndarray]:
    """Reads the parameters of a serialised dlib network, flat, in the order of its layers.

    Args:
      stored: content of the file. An integer is stored as a length and that many little-endian
        bytes; a tensor as its version, its four dimensions and raw little-endian float32.

    Yields:
      `[M]` float32.

    Raises:
      InputError: if a tensor is cut short or of another version.
    """
    position = 0
    while layer := _LAYER.search(stored, position):
        position = layer.end()
        header = []
        for _ in range(5):
            # The high bits of the length hold the sign; nothing here is negative.
            length = int.from_bytes(stored[position : position + 1]) & 0x0F
            end = position + 1 + length
            header.append(int.from_bytes(stored[position + 1 : end], "little"))
            position = end
        version, *shape = header
        end = position + 4 * int(np.prod(shape))
        if version != _TENSOR_VERSION or end > len(stored):
            raise InputError("dlib's network file holds a damaged tensor")
        yield np.frombuffer(stored[position:end], "<f4").astype(np.float32)
        position = end


def _conv(features: int, size: int, halve: bool) -> nn.Conv:
    """Returns a convolution; it is padded only if it keeps the resolution, as in dlib."""
    stride = 2 if halve else 1
    return nn.Conv(features, (size, size), stride, padding="VALID" if halve else "SAME")


def _halved(x: jax.Array) -> jax.Array:
    """Average-pools squares of 2x2 pixels; drops an odd last row or column."""
    count, height, width, features = x.shape
    even = x[:, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(count, height // 2, 2, width // 2, 2, features).mean((2, 4))


def _zero_padded(x: jax.Array, shape: np.ndarray) -> jax.Array:
    return jnp.pad(x, [(0, int(more)) for more in shape - np.array(x.shape)])
