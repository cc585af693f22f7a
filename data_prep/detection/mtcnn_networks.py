"""The three networks of MTCNN (Zhang et al., "Joint Face Detection and Alignment Using
Multi-task Cascaded Convolutional Networks", 2016), with the weights of the `mtcnn` package.

All take float32 RGB `(x - 127.5) / 128`, `[N, H, W, 3]`. The arithmetic is the package's; its
order is what a processor likes: XLA:CPU multiplies at 100 to 150 GFLOP/s and core when channels
fill its vectors, and at a tenth of that with 3 channels.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np


class PNet(nn.Module):
    """Proposals: one cell for every second pixel, each looking at 12x12 pixels."""

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns box offsets `[N, h, w, 4]` and face probability `[N, h, w]`."""
        _, columns = pnet_cells(*x.shape[1:3])
        x = PooledConv(10, window=2, multiple=2, name="layer_0")(x)
        x = PairedConv(16, name="layer_1")(x)
        x = Conv(32, 3, name="layer_2")(x)
        offsets = Conv(4, 1, active=False, name="layer_3")(x)
        logits = Conv(2, 1, active=False, name="layer_4")(x)
        return offsets[:, :, :columns], _face_probability(logits[:, :, :columns])


class RNet(nn.Module):
    """Refines proposals seen at 24x24."""

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns box offsets `[N, 4]` and face probability `[N]`."""
        # 28, but XLA's loops over whole vectors of channels are five times as fast.
        x = PooledConv(32, window=3, name="layer_0")(x)
        x = max_pool(Conv(48, 3, name="layer_1")(x), 3)
        x = Conv(64, 2, name="layer_2")(x)
        x = Dense(128, name="layer_3")(_flatten(x))
        return (
            Dense(4, active=False, name="layer_4")(x),
            _face_probability(Dense(2, active=False, name="layer_5")(x)),
        )


class ONet(nn.Module):
    """The final word on candidates seen at 48x48, with five points."""

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Returns box offsets `[N, 4]`, points `[N, 10]` (five x, five y) and probability."""
        x = PooledConv(32, window=3, name="layer_0")(x)
        x = max_pool(Conv(64, 3, name="layer_1")(x), 3)
        x = max_pool(Conv(64, 3, name="layer_2")(x), 2)
        x = Conv(128, 2, name="layer_3")(x)
        x = Dense(256, name="layer_4")(_flatten(x))
        return (
            Dense(4, active=False, name="layer_5")(x),
            Dense(10, active=False, name="layer_6")(x),
            _face_probability(Dense(2, active=False, name="layer_7")(x)),
        )


def pnet_cells(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of P-Net's cells for an image."""
    rows, columns = (-(-(size - 2) // 2) - 4 for size in (height, width))
    return rows, columns


def variables(
    arrays: Sequence[np.ndarray], channels: int | None = None
) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """Flax variables from a network's arrays in the order of its layers.

    Args:
      arrays: kernel and bias of each layer, each followed by its PReLU's alpha if any.
      channels: to which those of the first layer are filled up with zeros.
    """
    layers: list[dict[str, np.ndarray]] = []
    for array in arrays:
        if array.ndim in (2, 4):
            layers.append({"kernel": array})
        elif "bias" not in layers[-1]:
            layers[-1]["bias"] = array
        else:
            layers[-1]["alpha"] = array.reshape(-1)
    if channels:
        first, second = layers[:2]
        layers[0] = {name: _extended(array, -1, channels) for name, array in first.items()}
        layers[1] = second | {"kernel": _extended(second["kernel"], -2, channels)}
    return {"params": {f"layer_{i}": layer for i, layer in enumerate(layers)}}


class _Layer(nn.Module):
    """What all layers have: a kernel, a bias, and, if active, the alpha of a PReLU."""

    features: int

    def weights(self, shape: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (*shape, self.features))
        return kernel, self.param("bias", nn.initializers.zeros, (self.features,))

    def alpha(self) -> jax.Array:
        return self.param("alpha", nn.initializers.zeros, (self.features,))


class Dense(_Layer):
    """A dense layer with PReLU."""

    active: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel, bias = self.weights((x.shape[-1],))
        alpha = self.alpha() if self.active else None
        return prelu(x @ kernel + bias, alpha)


class Conv(_Layer):
    """A convolution without padding, with PReLU."""

    size: int = 3
    active: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (self.size, self.size, x.shape[-1])
        kernel, bias = self.weights(shape)
        alpha = self.alpha() if self.active else None
        return prelu(_convolve(x, kernel) + bias, alpha)


class PairedConv(_Layer):
    """A 3x3 convolution without padding that sees two columns as one of twice the channels.

    The number of columns must be even. A third more multiplications, but 20 to 32 channels take
    0.6 of the time of 10 to 16.
    """

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        batch, height, width, channels = x.shape
        (kernel, bias), alpha = self.weights((3, 3, channels)), self.alpha()
        x = x.reshape(batch, height, width // 2, 2 * channels)
        x = _convolve(x, _pair_kernel(kernel))
        x = prelu(x + jnp.tile(bias, 2), jnp.tile(alpha, 2))
        return x.reshape(batch, height - 2, width - 2, self.features)


class PooledConv(_Layer):
    """A 3x3 convolution without padding, PReLU, and max pooling with stride 2, padded behind.

    Two by two pixels become the channels of one. A 2x2 convolution then gives, as channels,
    the 2x2 outputs that a step of the pooling passes, and pooling is a maximum of slices.
    Three to four times as fast as a convolution from 3 channels.

    Attributes:
      window: of the pooling, 2 or 3 pixels. Of 3, only for even sizes.
      multiple: of which the number of columns of the result is. Those too many mean nothing.
        (Added to the image they cost little, added to the result a third of P-Net's time.)
    """

    window: int = 2
    multiple: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        _, height, width, channels = x.shape
        (kernel, bias), alpha = self.weights((3, 3, channels)), self.alpha()
        too_many = -((width - 1) // 2) % self.multiple
        x = jnp.pad(x, [(0, 0), (0, 0), (0, 2 * too_many), (0, 0)])
        x = _convolve(_space_to_depth(x), _phase_kernel(kernel))
        x = prelu(x + jnp.tile(bias, 4), jnp.tile(alpha, 4))
        x = _pool_phases(x, 1, height - 2, self.window)
        return _pool_phases(x, 2, width - 2, self.window)


def prelu(x: jax.Array, alpha: jax.Array | None) -> jax.Array:
    """`x` where positive, else `alpha * x`, alpha by channel (He et al., 2015)."""
    return x if alpha is None else jnp.where(x > 0, x, alpha * x)


def max_pool(x: jax.Array, window: int) -> jax.Array:
    """Max pooling with stride 2 and no padding as maxima of strided slices.

    On XLA:CPU four times as fast as `reduce_window`.
    """
    height, width = ((n - window) // 2 + 1 for n in x.shape[1:3])
    rows = [x[:, i : i + 2 * height - 1 : 2] for i in range(window)]
    x = functools.reduce(jnp.maximum, rows)
    columns = [x[:, :, j : j + 2 * width - 1 : 2] for j in range(window)]
    return functools.reduce(jnp.maximum, columns)


def _convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=layout)


def _space_to_depth(x: jax.Array) -> jax.Array:
    """`[N, H, W, C]` to `[N, ceil(H/2), ceil(W/2), 4C]`, odd sizes padded behind."""
    batch, height, width, channels = x.shape
    x = jnp.pad(x, [(0, 0), (0, height % 2), (0, width % 2), (0, 0)])
    rows, columns = -(-height // 2), -(-width // 2)
    x = x.reshape(batch, rows, 2, columns, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, rows, columns, 4 * channels)


def _phase_kernel(kernel: jax.Array) -> jax.Array:
    """`[3, 3, C, F]` to `[2, 2, 4C, 4F]`: the kernel at each of the 2x2 places in a block."""
    channels, features = kernel.shape[2:]

    def at(row: int, column: int) -> jax.Array:
        padded = jnp.pad(kernel, [(row, 1 - row), (column, 1 - column), (0, 0), (0, 0)])
        blocks = padded.reshape(2, 2, 2, 2, channels, features).transpose(0, 2, 1, 3, 4, 5)
        return blocks.reshape(2, 2, 4 * channels, features)

    return jnp.concatenate([at(row, column) for row in (0, 1) for column in (0, 1)], -1)


def _pair_kernel(kernel: jax.Array) -> jax.Array:
    """`[3, 3, C, F]` to `[3, 2, 2C, 2F]`: the kernel at both places in a pair of columns."""
    channels, features = kernel.shape[2:]

    def at(column: int) -> jax.Array:
        padded = jnp.pad(kernel, [(0, 0), (column, 1 - column), (0, 0), (0, 0)])
        return padded.reshape(3, 2, 2 * channels, features)

    return jnp.concatenate([at(0), at(1)], -1)


def _pool_phases(x: jax.Array, axis: int, size: int, window: int) -> jax.Array:
    """Max pooling along one axis, of which the channels hold even, then odd positions.

    Args:
      x: `[N, h, w, 2F]`.
      axis: 1 or 2.
      size: how many positions, even and odd, there are to pool; what is behind means nothing.
      window: of the pooling, with stride 2 and padded behind.
    """
    phases = jnp.split(x, 2, -1)

    def shifted(by: int) -> jax.Array:
        there = (size - by + 1) // 2
        if by < 2 and 2 * there >= size:
            return phases[by]
        part = jax.lax.slice_in_dim(phases[by % 2], by // 2, by // 2 + there, axis=axis)
        behind = [(0, x.shape[axis] - there if i == axis else 0) for i in range(x.ndim)]
        return jnp.pad(part, behind, constant_values=-jnp.inf)

    return functools.reduce(jnp.maximum, map(shifted, range(window)))


def _extended(array: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Zeros added behind along an axis."""
    behind = [(0, 0)] * array.ndim
    behind[axis] = (0, size - array.shape[axis])
    return np.pad(array, behind)


def _flatten(x: jax.Array) -> jax.Array:
    """Columns first, as the weights were trained (Caffe's MATLAB order)."""
    return x.transpose(0, 2, 1, 3).reshape(x.shape[0], -1)


def _face_probability(logits: jax.Array) -> jax.Array:
    """Softmax of two."""
    return jax.nn.sigmoid(logits[..., 1] - logits[..., 0])
