"""Building blocks of both networks.

Feature maps are `[N, H, W, C]`, of the dtype of the parameters they meet (`precision.py`).
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Initializer
from jax.ad_checkpoint import checkpoint_name

from sagan_jax.networks.attention import attend
from sagan_jax.networks.convolution import Conv

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


def depth_to_space(x: jax.Array) -> jax.Array:
    """`[N, H, W, 4C]` to `[N, 2H, 2W, C]`, channels in TensorFlow's order (row, column, C)."""
    count, height, width, channels = x.shape
    x = x.reshape(count, height, width, 2, 2, channels // 4).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(count, 2 * height, 2 * width, channels // 4)


def space_to_depth(x: jax.Array) -> jax.Array:
    """The inverse of `depth_to_space`."""
    count, height, width, channels = x.shape
    x = x.reshape(count, height // 2, 2, width // 2, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(count, height // 2, width // 2, 4 * channels)


def halve(x: jax.Array) -> jax.Array:
    """Means of 2x2 pixels: `[..., H, W, C]` to `[..., H/2, W/2, C]`."""
    *lead, height, width, channels = x.shape
    return x.reshape(*lead, height // 2, 2, width // 2, 2, channels).mean((-4, -2))


def icnr(initialiser: Initializer) -> Initializer:
    """A kernel whose four sub-pixels start equal."""

    def initialise(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        kernel = initialiser(key, (*shape[:-1], shape[-1] // 4), dtype)
        return jnp.tile(kernel, (1, 1, 1, 4))

    return initialise


def spectral_normalise(kernel: jax.Array, u: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A kernel divided by its largest singular value (Miyato et al., 2018).

    One power iteration from the stored vector; the gradient flows through the singular
    value but not through the vectors. The stored kernel is not changed.

    Args:
      kernel: `[..., out]` float32.
      u: `[out]` float32, unit.

    Returns:
      The normalised kernel and the vector for the next step.
    """
    matrix = kernel.reshape(-1, kernel.shape[-1])
    v = _unit(jax.lax.stop_gradient(matrix) @ u)
    u = _unit(v @ jax.lax.stop_gradient(matrix))
    sigma = v @ matrix @ u
    return kernel / sigma, u


def spectral_normalise_tree(params: Any, vectors: Any) -> tuple[Any, Any]:
    """`spectral_normalise` for every kernel of a network.

    Args:
      params: parameter tree; leaves with two axes or more are kernels.
      vectors: from `init_power_vectors`.

    Returns:
      The normalised tree and the vectors for the next step.
    """
    pairs = jax.tree.map(
        lambda leaf, u: spectral_normalise(leaf, u) if leaf.ndim > 1 else (leaf, u), params, vectors
    )
    return jax.tree.transpose(jax.tree.structure(params), None, pairs)


def init_power_vectors(key: jax.Array, params: Any, iterations: int = 15) -> Any:
    """Vectors near the leading singular ones, so that the first step is already normalised.

    Leaves that are no kernels get a zero, never read.
    """
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    vectors = []
    for one_key, leaf in zip(keys, leaves, strict=True):
        if leaf.ndim > 1:
            u = _unit(jax.random.normal(one_key, leaf.shape[-1:]))
            u = jax.lax.fori_loop(
                0, iterations, lambda _, u, w=leaf: spectral_normalise(w, u)[1], u
            )
        else:
            u = jnp.zeros(())
        vectors.append(u)
    return jax.tree.unflatten(structure, vectors)


def pooled(x: jax.Array, positions: int) -> jax.Array:
    """Averages patches of `[N, H, W, C]` until at most so many positions are left."""
    patch = 1
    while x.shape[1] * x.shape[2] // patch**2 > positions:
        patch *= 2
    count, height, width, channels = x.shape
    patches = x.reshape(count, height // patch, patch, width // patch, patch, channels)
    return patches.mean((2, 4))


def _unit(vector: jax.Array) -> jax.Array:
    return vector / (jnp.linalg.norm(vector) + 1e-12)
