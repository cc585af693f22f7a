"""Building blocks of generator and discriminator.

Feature maps are `[N, H, W, C]`, in the dtype of the parameters (`precision.py`).
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

from sagan_jax.networks.attention import attend
from sagan_jax.networks.convolution import Conv
from sagan_jax.networks.resampling import depth_to_space, icnr, pool

# Name of the feature maps that rematerialisation keeps.
STAGE = "stage"


class RMSNorm(nn.Module):
    """Scales each pixel's channels to unit mean square, then by a learned gain.

    Unlike batch and instance norm, RMSNorm (Zhang & Sennrich, 2019) keeps the mean colour of an
    image.
    """

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        gain = self.param("gain", nn.initializers.ones, (x.shape[-1],))
        scale = jax.lax.rsqrt(jnp.mean(jnp.square(x.astype(jnp.float32)), -1, keepdims=True) + 1e-6)
        return x * scale.astype(x.dtype) * gain


class SelfAttention(nn.Module):
    """Self-attention of SAGAN (Zhang et al., 2019), added with a gain that starts at 0.

    Where the map has more than `max_keys` positions, keys and values are averaged over patches,
    which bounds the cost at high resolution.

    Attributes:
      max_keys: largest number of positions that are attended to.
      scaled: whether the logits are divided by the root of the query's width.
    """

    max_keys: int = 1024
    scaled: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        count, height, width, channels = x.shape
        context = pool(x, self.max_keys)
        query = Conv(channels // 8, 1, name="query")(x)
        key = Conv(channels // 8, 1, name="key")(context)
        value = Conv(channels, 1, name="value")(context)
        # Not `jax.nn.dot_product_attention`, which does not allow a query with fewer channels than
        # the value. There is one head.
        query, key, value = (t.reshape(count, -1, t.shape[-1]) for t in (query, key, value))
        if self.scaled:
            query = query * (channels // 8) ** -0.5
        attended = attend(query, key, value)
        gamma = self.param("gamma", nn.initializers.zeros, ())
        return x + gamma * attended.reshape(count, height, width, channels)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, added to their input."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        channels = x.shape[-1]
        y = Conv(channels, 3, name="first")(leaky_relu(RMSNorm()(x)))
        return x + Conv(channels, 3, name="second")(leaky_relu(y))


class Upscale(nn.Module):
    """Doubles the resolution by a convolution and a pixel shuffle (Shi et al., 2016).

    Starts as nearest-neighbour upsampling (ICNR, Aitken et al., 2017), so that no checkerboard has
    to be unlearned.

    Attributes:
      features: channels of the result.
    """

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = Conv(4 * self.features, 3, kernel_init=icnr(nn.initializers.he_normal()))(x)
        return depth_to_space(x)


def stage(x: jax.Array) -> jax.Array:
    """Marks a feature map to keep, from which the backward pass can recompute what follows."""
    return checkpoint_name(x, STAGE)


def leaky_relu(x: jax.Array) -> jax.Array:
    """Applies a leaky ReLU with slope 0.2 below 0."""
    return jax.nn.leaky_relu(x, 0.2)
