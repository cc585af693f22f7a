"""2D convolution, computed in whichever form is fastest."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Initializer
from jax import lax

# On a CPU, results of up to this many positions are computed as one matrix product of all patches
# and the kernel: from 1024 to 2048 channels at 4x4, forward and backward take 0.12 s instead of
# 0.43.
_GATHERED = 16


class Conv(nn.Module):
    """A 2D convolution with zeros around the map (padding `SAME`).

    Attributes:
      features: channels of the result.
      size: side of the square kernel.
      stride: step between neighbouring positions of the result.
      use_bias: whether each channel has an offset.
      kernel_init: initialiser of the kernel `[size, size, channels, features]`.
    """

    features: int
    size: int
    stride: int = 1
    use_bias: bool = True
    kernel_init: Initializer = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps `[N, H, W, C]` to `[N, ceil(H / stride), ceil(W / stride), features]`."""
        shape = (self.size, self.size, x.shape[-1], self.features)
        y = convolve(x, self.param("kernel", self.kernel_init, shape), self.stride)
        if self.use_bias:
            y = y + self.param("bias", nn.initializers.zeros, (self.features,))
        return y


def convolve(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """Computes `lax.conv_general_dilated` with padding `SAME`.

    Args:
      x: `[N, H, W, C]`.
      kernel: `[K, K, C, F]`, of the same dtype.
      stride: step between neighbouring positions of the result.

    Returns:
      `[N, ceil(H / stride), ceil(W / stride), F]`.
    """

    def by_xla(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(
            x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    def by_patches(x: jax.Array, kernel: jax.Array) -> jax.Array:
        patches = jnp.concatenate(_shifted(x, kernel.shape[0], stride), -1)
        return patches @ kernel.reshape(-1, kernel.shape[-1])

    positions = -(-x.shape[1] // stride) * -(-x.shape[2] // stride)
    if positions > _GATHERED:
        return by_xla(x, kernel)
    return lax.platform_dependent(x, kernel, cpu=by_patches, default=by_xla)


def _shifted(x: jax.Array, size: int, stride: int) -> list[jax.Array]:
    """Returns the inputs that each pixel of a kernel meets, row by row, each `[N, H', W', C]`."""
    sides = x.shape[1:3]
    pads = lax.padtype_to_pads(sides, (size, size), (stride, stride), "SAME")
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    height, width = (stride * (-(-side // stride) - 1) + 1 for side in sides)
    return [
        x[:, i : i + height : stride, j : j + width : stride]
        for i in range(size)
        for j in range(size)
    ]
