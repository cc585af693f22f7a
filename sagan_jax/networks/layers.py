"""Building blocks of both networks.

Feature maps are `[N, H, W, C]`, of the dtype of the parameters they meet (`precision.py`).
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

from sagan_jax.networks.attention import attend
from sagan_jax.networks.convolution import Conv
from sagan_jax.networks.resampling import depth_to_space, icnr, pooled

# What feature maps are called that rematerialisation keeps.
STAGE = "stage"


class RMSNorm(nn.Module):
    """Each pixel's channels to unit mean square, then a learned gain (Zhang & Sennrich, 2019).

    Unlike batch and instance norm it keeps the mean colour of an image.
    """

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        gain = self.param("gain", nn.initializers.ones, (x.shape[-1],))
        scale = jax.lax.rsqrt(jnp.mean(jnp.square(x.astype(jnp.float32)), -1, keepdims=True) + 1e-6)
        return x * scale.astype(x.dtype) * gain


class SelfAttention(nn.Module):
    """Self-attention of SAGAN (Zhang et al., 2019), added with a gain that starts at 0.

    Keys and values are averaged over patches where the map has more positions than
    `max_keys`, which bounds the cost at high resolution.

    Attributes:
      max_keys: positions attended to.
      scaled: whether logits are divided by the root of the query's width.
    """

    max_keys: int = 1024
    scaled: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        count, height, width, channels = x.shape
        context = pooled(x, self.max_keys)
        query = Conv(channels // 8, 1, name="query")(x)
        key = Conv(channels // 8, 1, name="key")(context)
        value = Conv(channels, 1, name="value")(context)
        # One head; the query has fewer channels than the value, which
        # `jax.nn.dot_product_attention` does not take.
        query, key, value = (t.reshape(count, -1, t.shape[-1]) for t in (query, key, value))
        if self.scaled:
            query = query * (channels // 8) ** -0.5
        attended = attend(query, key, value)
        gamma = self.param("gamma", nn.initializers.zeros, ())
        return x + gamma * attended.reshape(count, height, width, channels)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside the identity."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        channels = x.shape[-1]
        y = Conv(channels, 3, name="first")(leaky_relu(RMSNorm()(x)))
        return x + Conv(channels, 3, name="second")(leaky_relu(y))


class Upscale(nn.Module):
    """Twice the resolution by a convolution and a pixel shuffle (Shi et al., 2016).

    Initialised as nearest-neighbour upsampling (ICNR, Aitken et al., 2017), so that no
    checkerboard has to be unlearned.
    """

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = Conv(4 * self.features, 3, kernel_init=icnr(nn.initializers.he_normal()))(x)
        return depth_to_space(x)


def stage(x: jax.Array) -> jax.Array:
    """Marks a feature map from which the backward pass can compute what follows it again."""
    return checkpoint_name(x, STAGE)


def leaky_relu(x: jax.Array) -> jax.Array:
    """Slope 0.2 below 0."""
    return jax.nn.leaky_relu(x, 0.2)
