"""The generator: one encoder for everybody, one decoder for each person.

Whoever goes in, the shared code tells what the face does and the decoder decides whose face it is:
a swap is a crop of B, encoded, then decoded by A's decoder.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from sagan_jax.configs.config import ModelConfig
from sagan_jax.networks import faceswap_gan
from sagan_jax.networks.convolution import Conv
from sagan_jax.networks.decoder_output import SMALLEST_OUTPUT, DecoderOutput
from sagan_jax.networks.layers import (
    STAGE,
    ResidualBlock,
    RMSNorm,
    SelfAttention,
    Upscale,
    leaky_relu,
    stage,
)
from sagan_jax.networks.resampling import depth_to_space, halve, icnr, space_to_depth

# Whoever runs a generator needs the type of its output and the name of the feature maps to keep.
__all__ = ("STAGE", "Decoder", "DecoderOutput", "Encoder", "Generator")

# Largest ratio of the sketch's side to that of the shared map. A sketch at 64 px has all the detail
# that is needed.
_SKETCH_DETAIL = 8


class Encoder(nn.Module):
    """Encodes generator inputs `[N, *input_shape]` into the shared map `[N, S, S, shared_width]`.

    The sketch also bypasses the bottleneck, for which eyes are too small. Without the bypass,
    `demo64` generates eyes that never shut, and `sagan128` shuts one person's eyes where the other
    lifts the brows.
    """

    config: ModelConfig

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        config, sketch = self.config, x[..., 3:]
        x = space_to_depth(x)
        for i, width in enumerate(config.encoder_widths):
            stride = 1 if i == 0 else 2
            x = leaky_relu(RMSNorm()(Conv(width, 3, stride=stride)(x)))
            if x.shape[1] in config.encoder_attention:
                x = SelfAttention()(x)
            x = stage(x)
        # A dense bottleneck: every part of the face may depend on every other.
        side, width = x.shape[1], config.shared_width
        code = nn.Dense(config.latent, name="code")(x.reshape(x.shape[0], -1))
        x = leaky_relu(nn.Dense(side * side * width, name="spread")(code))
        x = x.reshape(-1, side, side, width)
        # Both people share the way up as far as the decoders have no widths of their own for it.
        while x.shape[1] < config.resolution >> (len(config.decoder_widths) + 1):
            x = leaky_relu(RMSNorm()(Upscale(width)(x)))
            if x.shape[1] in config.decoder_attention:
                x = SelfAttention()(x)
        if not sketch.shape[-1]:
            return x
        # The sketch is averaged only down to its useful detail; the rest of the way its pixels
        # become channels, so that an eye of a few pixels is not blurred away.
        while sketch.shape[1] > _SKETCH_DETAIL * x.shape[1]:
            sketch = halve(sketch)
        while sketch.shape[1] > x.shape[1]:
            sketch = space_to_depth(sketch)
        return x + Conv(config.shared_width, 3, name="sketch")(sketch)


class Decoder(nn.Module):
    """Decodes the shared map into one person."""

    config: ModelConfig

    @nn.compact
    def __call__(self, x: jax.Array) -> DecoderOutput:
        smaller = []
        for width in self.config.decoder_widths:
            x = ResidualBlock()(leaky_relu(RMSNorm()(Upscale(width)(x))))
            side = x.shape[1]
            if side in self.config.decoder_attention:
                x = SelfAttention()(x)
            x = stage(x)
            if side >= SMALLEST_OUTPUT:
                rgb = Conv(3, 3, name=f"pixels_{side}")(leaky_relu(x))
                smaller.append(jax.nn.sigmoid(rgb.astype(jnp.float32)))
        # Colour and mask of the four pixels under each position, in one convolution.
        to_pixels = Conv(16, 3, kernel_init=icnr(nn.initializers.lecun_normal()), name="pixels")
        x = depth_to_space(to_pixels(leaky_relu(x))).astype(jnp.float32)
        return DecoderOutput(jax.nn.sigmoid(x[..., :3]), x[..., 3:], tuple(smaller))


class Generator(nn.Module):
    """The encoder and both decoders of an architecture."""

    config: ModelConfig

    def setup(self) -> None:
        ours = self.config.architecture == "sagan"
        encoder = Encoder if ours else faceswap_gan.Encoder
        decoder = Decoder if ours else faceswap_gan.Decoder
        self.encoder = encoder(self.config)
        self.decoders = (decoder(self.config), decoder(self.config))

    def encode(self, x: jax.Array) -> jax.Array:
        """Encodes inputs `[N, *input_shape]` of anybody into the shared map `[N, S, S, C]`."""
        return self.encoder(x)

    def decode(self, features: jax.Array, identity: int) -> DecoderOutput:
        """Decodes the shared map `[N, S, S, C]` into person 0 (A) or 1 (B)."""
        return self.decoders[identity](features)

    def encode_both(self, x: jax.Array) -> jax.Array:
        """Encodes inputs `[2, N, *input_shape]` of A and B into shared maps `[2, N, S, S, C]`."""
        # The images go first, because the devices share that axis: in the order of `x` every device
        # would need all images.
        features = self.encode(x.swapaxes(0, 1).reshape(-1, *x.shape[2:]))
        return features.reshape(-1, 2, *features.shape[1:]).swapaxes(0, 1)

    def decode_both(self, features: jax.Array) -> DecoderOutput:
        """Decodes shared maps `[2, N, S, S, C]`, the first into A, the second into B."""
        # A loop: as one vmapped (grouped) convolution it is five times slower on a CPU.
        parts = [self.decode(features[i], i) for i in (0, 1)]
        return jax.tree.map(lambda a, b: jnp.stack([a, b]), *parts)

    def __call__(self, x: jax.Array) -> DecoderOutput:
        """Reconstructs both people, each by their own decoder.

        Args:
          x: `[2, N, *input_shape]` inputs of A and B.

        Returns:
          Leaves `[2, N, R, R, C]`.
        """
        return self.decode_both(self.encode_both(x))
