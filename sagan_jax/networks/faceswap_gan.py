"""The networks of faceswap-GAN v2.2 (Lu, 2018), layer for layer, as a baseline.

At 64 px with its standard widths: encoder 59,130,506 parameters, each decoder 6,300,924, each
discriminator 747,845. Rebuilt from a description of the layers. Two things follow this project
instead: the input is normalised by the person's colours, and images are 0..1 outside.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from sagan_jax.configs.config import ModelConfig
from sagan_jax.networks.convolution import Conv
from sagan_jax.networks.decoder_output import SMALLEST_OUTPUT, DecoderOutput
from sagan_jax.networks.layers import SelfAttention, leaky_relu, stage
from sagan_jax.networks.resampling import depth_to_space, icnr

_BLOCK = nn.initializers.he_normal()
# The original attends to every position, however many there are, and does not scale the logits.
_EVERY_POSITION = 1 << 30


class MapNorm(nn.Module):
    """Normalises a whole feature map to mean 0 and deviation 1; one learned gain and offset."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        gain = self.param("gain", nn.initializers.ones, ())
        offset = self.param("offset", nn.initializers.zeros, ())
        wide = x.astype(jnp.float32)
        centred = wide - wide.mean((1, 2, 3), keepdims=True)
        variance = jnp.square(centred).mean((1, 2, 3), keepdims=True)
        # The tiny term keeps the gradient of a constant map finite.
        normalised = centred / (jnp.sqrt(variance + 1e-12) + 1e-3)
        return gain * normalised.astype(x.dtype) + offset


class Encoder(nn.Module):
    """Encodes normalised crops `[N, R, R, 3]` into the shared map.

    A dense bottleneck and an upscaling follow the last width.
    """

    config: ModelConfig

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        first, *widths = self.config.encoder_widths
        x = Conv(first, 5, use_bias=False)(x)
        for i, width in enumerate(widths):
            x = nn.relu(_conv(width, 3, stride=2)(x))
            # The original leaves the first block of each network without a norm.
            if i > 0:
                x = MapNorm()(x)
            if x.shape[1] in self.config.encoder_attention:
                x = _attention()(x)
            x = stage(x)
        shape = x.shape
        code = _dense(self.config.latent)(x.reshape(shape[0], -1))
        x = _dense(shape[1] * shape[2] * shape[3])(code).reshape(shape)
        return _Upscale(self.config.shared_width)(x)


class Decoder(nn.Module):
    """Decodes the shared map into one person.

    The first three widths lead to 64 px. The residual block and the attention at 64 px occur once,
    whatever the resolution.
    """

    config: ModelConfig

    @nn.compact
    def __call__(self, x: jax.Array) -> DecoderOutput:
        smaller = []
        for width in self.config.decoder_widths:
            x = _Upscale(width)(x)
            side = x.shape[1]
            if side == SMALLEST_OUTPUT:
                x = _Residual()(x)
            elif side > SMALLEST_OUTPUT:
                x = nn.relu(_conv(width, 3)(x))
            if side in self.config.decoder_attention:
                x = _attention()(x)
            x = stage(x)
            if SMALLEST_OUTPUT <= side < self.config.resolution:
                smaller.append(_to_unit(Conv(3, 5, name=f"pixels_{side}")(x)))
        mask_logits = Conv(1, 5, kernel_init=_glorot(), name="mask")(x)
        rgb = _to_unit(Conv(3, 5, kernel_init=_glorot(), name="pixels")(x))
        return DecoderOutput(rgb, mask_logits, tuple(smaller))


class Discriminator(nn.Module):
    """The conditional patch discriminator, called like `discriminator.Discriminator`."""

    config: ModelConfig

    @nn.compact
    def __call__(self, images: jax.Array, condition: jax.Array) -> jax.Array:
        x = jnp.concatenate([2 * images - 1, condition], -1)
        for i, width in enumerate(self.config.discriminator_widths):
            x = leaky_relu(_conv(width, 4, stride=2)(x))
            if i > 0:
                x = MapNorm()(x)
            if i > 1:
                x = _attention()(x)
        return Conv(1, 4, use_bias=False, kernel_init=_glorot(), name="score")(x)


class _Upscale(nn.Module):
    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = icnr(nn.initializers.normal(0.02))
        x = Conv(4 * self.features, 3, kernel_init=kernel)(x)
        return depth_to_space(MapNorm()(leaky_relu(x)))


class _Residual(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        y = leaky_relu(_conv(x.shape[-1], 3)(x))
        return leaky_relu(x + _conv(x.shape[-1], 3)(y))


def _conv(width: int, size: int, stride: int = 1) -> Conv:
    return Conv(width, size, stride=stride, use_bias=False, kernel_init=_BLOCK)


def _dense(width: int) -> nn.Dense:
    return nn.Dense(width, kernel_init=_glorot())


def _attention() -> SelfAttention:
    return SelfAttention(max_keys=_EVERY_POSITION, scaled=False)


def _glorot() -> nn.initializers.Initializer:
    return nn.initializers.glorot_uniform()


def _to_unit(x: jax.Array) -> jax.Array:
    """Squashes to 0..1 by a tanh."""
    return 0.5 * (jnp.tanh(x.astype(jnp.float32)) + 1)
