"""The three networks of MTCNN, with the weights of the `mtcnn` package.

All take float32 RGB `(x - 127.5) / 128`, `[N, H, W, 3]`. They compute what the package's networks
compute, rearranged for CPUs: XLA multiplies at 100 to 150 GFLOP/s per core when channels fill its
vectors, and at a tenth of that with 3 channels.

Source: Zhang et al., "Joint Face Detection and Alignment Using Multi-task Cascaded Convolutional
Networks", 2016.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np


class PNet(nn.Module):
    """Proposal network: one cell for every second pixel, each of 12x12 pixels."""

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns box offsets `[N, h, w, 4]` and face probability `[N, h, w]`."""
        _, columns = pnet_cells(*x.shape[1:3])
        # `PairedConv` needs an even number of columns; the surplus one is cut off at the end.
        x = PooledConv(10, window=2, multiple=2, name="layer_0")(x)
        x = PairedConv(16, name="layer_1")(x)
        x = Conv(32, 3, name="layer_2")(x)
        offsets = Conv(4, 1, active=False, name="layer_3")(x)
        logits = Conv(2, 1, active=False, name="layer_4")(x)
        return offsets[:, :, :columns], _face_probability(logits[:, :, :columns])


class RNet(nn.Module):
    """Refinement network for proposals, as crops of 24x24 pixels."""

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns box offsets `[N, 4]` and face probability `[N]`."""
        # The weights have 28 channels, but XLA's loops over whole vectors of them are five times
        # as fast; the other four are zero (see `variables`).
        x = PooledConv(32, window=3, name="layer_0")(x)
        x = max_pool(Conv(48, 3, name="layer_1")(x), 3)
        x = Conv(64, 2, name="layer_2")(x)
        x = Dense(128, name="layer_3")(_flatten(x))
        return (
            Dense(4, active=False, name="layer_4")(x),
            _face_probability(Dense(2, active=False, name="layer_5")(x)),
        )


class ONet(nn.Module):
    """Output network for candidates, as crops of 48x48 pixels; adds the five points."""

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Returns box offsets `[N, 4]`, points `[N, 10]` (five x, five y), probability `[N]`."""
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
    """Returns the rows and columns of P-Net's cells for an image, sizes in pixels."""
    rows, columns = (-(-(size - 2) // 2) - 4 for size in (height, width))
    return rows, columns


def variables(
    arrays: Sequence[np.ndarray], channels: int | None = None
) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """Converts a network's arrays, in the order of its layers, to Flax variables.

    Args:
      arrays: kernel and bias of each layer, followed by its PReLU's alpha if it has one.
      channels: output channels to which the first layer is padded with zeros; None for no padding.
    """
    layers: list[dict[str, np.ndarray]] = []
    # A kernel starts a layer, the first flat array after it is the bias, a second one the alpha.
    for array in arrays:
        if array.ndim in (2, 4):
            layers.append({"kernel": array})
        elif "bias" not in layers[-1]:
            layers[-1]["bias"] = array
        else:
            layers[-1]["alpha"] = array.reshape(-1)
    if channels:
        first, second = layers[:2]
        # Zero kernels give zero channels, which the zero rows of the next kernel ignore.
        layers[0] = {name: _zero_padded(array, -1, channels) for name, array in first.items()}
        layers[1] = second | {"kernel": _zero_padded(second["kernel"], -2, channels)}
    return {"params": {f"layer_{i}": layer for i, layer in enumerate(layers)}}


class _Layer(nn.Module):
    """Parameters of every layer: a kernel, a bias and, if it is active, the alpha of a PReLU."""

    features: int

    def weights(self, shape: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
        """Returns kernel `[*shape, features]` and bias `[features]`."""
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (*shape, self.features))
        return kernel, self.param("bias", nn.initializers.zeros, (self.features,))

    def alpha(self) -> jax.Array:
        """Returns the slope `[features]` of the PReLU for negative values."""
        return self.param("alpha", nn.initializers.zeros, (self.features,))


class Dense(_Layer):
    """Dense layer, followed by a PReLU if it is active."""

    active: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel, bias = self.weights((x.shape[-1],))
        alpha = self.alpha() if self.active else None
        return prelu(x @ kernel + bias, alpha)


class Conv(_Layer):
    """Convolution without padding, followed by a PReLU if it is active."""

    size: int = 3
    active: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (self.size, self.size, x.shape[-1])
        kernel, bias = self.weights(shape)
        alpha = self.alpha() if self.active else None
        return prelu(_convolve(x, kernel) + bias, alpha)


class PairedConv(_Layer):
    """3x3 convolution without padding that treats two columns as one of twice the channels.

    The number of columns must be even. It needs a third more multiplications, but 20 to 32
    channels take 0.6 of the time of 10 to 16.
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
    """3x3 convolution without padding, PReLU, and max pooling with stride 2, padded at the end.

    Blocks of 2x2 pixels become the channels of one pixel. A 2x2 convolution then computes, as
    channels, the 2x2 outputs within one stride of the pooling, and pooling is a maximum of slices.
    This is three to four times as fast as a convolution from 3 channels.

    Attributes:
      window: side of the pooling window, 2 or 3 pixels; 3 needs even image sizes.
      multiple: the number of output columns is rounded up to a multiple of this; the surplus
        columns are meaningless. (Padding the image for them costs little, padding the result a
        third of P-Net's time.)
    """

    window: int = 2
    multiple: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        _, height, width, channels = x.shape
        (kernel, bias), alpha = self.weights((3, 3, channels)), self.alpha()
        surplus = -((width - 1) // 2) % self.multiple
        x = jnp.pad(x, [(0, 0), (0, 0), (0, 2 * surplus), (0, 0)])
        x = _convolve(_space_to_depth(x), _phase_kernel(kernel))
        x = prelu(x + jnp.tile(bias, 4), jnp.tile(alpha, 4))
        x = _pool_phases(x, 1, height - 2, self.window)
        return _pool_phases(x, 2, width - 2, self.window)


def prelu(x: jax.Array, alpha: jax.Array | None) -> jax.Array:
    """Applies PReLU (He et al., 2015): `x` where positive, else `alpha * x`, alpha per channel.

    Without alpha it is the identity.
    """
    return x if alpha is None else jnp.where(x > 0, x, alpha * x)


def max_pool(x: jax.Array, window: int) -> jax.Array:
    """Applies max pooling with stride 2 and no padding, as maxima of strided slices.

    On CPUs this is four times as fast as XLA's `reduce_window`.
    """
    height, width = ((n - window) // 2 + 1 for n in x.shape[1:3])
    rows = [x[:, i : i + 2 * height - 1 : 2] for i in range(window)]
    x = functools.reduce(jnp.maximum, rows)
    columns = [x[:, :, j : j + 2 * width - 1 : 2] for j in range(window)]
    return functools.reduce(jnp.maximum, columns)


def _convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolves `[N, H, W, C]` with `[h, w, C, F]`, stride 1, no padding."""
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=layout)


def _space_to_depth(x: jax.Array) -> jax.Array:
    """Stacks 2x2 pixels as channels: `[N, H, W, C]` to `[N, ceil(H/2), ceil(W/2), 4C]`.

    Odd sizes are padded at the end.
    """
    batch, height, width, channels = x.shape
    x = jnp.pad(x, [(0, 0), (0, height % 2), (0, width % 2), (0, 0)])
    rows, columns = -(-height // 2), -(-width // 2)
    x = x.reshape(batch, rows, 2, columns, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, rows, columns, 4 * channels)


def _phase_kernel(kernel: jax.Array) -> jax.Array:
    """Places a kernel at each pixel of a 2x2 block: `[3, 3, C, F]` to `[2, 2, 4C, 4F]`."""
    channels, features = kernel.shape[2:]

    def at(row: int, column: int) -> jax.Array:
        padded = jnp.pad(kernel, [(row, 1 - row), (column, 1 - column), (0, 0), (0, 0)])
        blocks = padded.reshape(2, 2, 2, 2, channels, features).transpose(0, 2, 1, 3, 4, 5)
        return blocks.reshape(2, 2, 4 * channels, features)

    return jnp.concatenate([at(row, column) for row in (0, 1) for column in (0, 1)], -1)


def _pair_kernel(kernel: jax.Array) -> jax.Array:
    """Places a kernel at both columns of a pair: `[3, 3, C, F]` to `[3, 2, 2C, 2F]`."""
    channels, features = kernel.shape[2:]

    def at(column: int) -> jax.Array:
        padded = jnp.pad(kernel, [(0, 0), (column, 1 - column), (0, 0), (0, 0)])
        return padded.reshape(3, 2, 2 * channels, features)

    return jnp.concatenate([at(0), at(1)], -1)


def _pool_phases(x: jax.Array, axis: int, size: int, window: int) -> jax.Array:
    """Applies max pooling along an axis whose even and odd positions lie in the channels.

    Args:
      x: `[N, h, w, 2F]`, the first half of the channels at even positions, the second at odd ones.
      axis: 1 or 2.
      size: number of positions to pool, even and odd together; any further ones are ignored.
      window: side of the pooling window; the stride is 2, and the end is padded.

    Returns:
      `[N, h, w, F]`.
    """
    phases = jnp.split(x, 2, -1)

    def shifted(by: int) -> jax.Array:
        """Returns, for each window, the position `by` after its first."""
        count = (size - by + 1) // 2
        if by < 2 and 2 * count >= size:
            return phases[by]
        part = jax.lax.slice_in_dim(phases[by % 2], by // 2, by // 2 + count, axis=axis)
        padding = [(0, x.shape[axis] - count if i == axis else 0) for i in range(x.ndim)]
        return jnp.pad(part, padding, constant_values=-jnp.inf)

    return functools.reduce(jnp.maximum, map(shifted, range(window)))


def _zero_padded(array: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Appends zeros along one axis up to a size."""
    padding = [(0, 0)] * array.ndim
    padding[axis] = (0, size - array.shape[axis])
    return np.pad(array, padding)


def _flatten(x: jax.Array) -> jax.Array:
    """Flattens `[N, H, W, C]` columns first, the (Caffe, MATLAB) order of the trained weights."""
    return x.transpose(0, 2, 1, 3).reshape(x.shape[0], -1)


def _face_probability(logits: jax.Array) -> jax.Array:
    """Returns the second probability of a softmax over two logits `[..., 2]`."""
    return jax.nn.sigmoid(logits[..., 1] - logits[..., 0])
