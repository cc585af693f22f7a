"""The generator: one encoder for everybody, a decoder for each person.

Whoever goes in, the shared code says what the face does and the decoder draws who it is: a
swap is a crop of B, encoded, and decoded by A's decoder.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from sagan_jax.configs.config import ModelConfig
from sagan_jax.networks import faceswap_gan
from sagan_jax.networks.convolution import Conv
from sagan_jax.networks.decoder_output import SMALLEST_PICTURE, DecoderOutput
from sagan_jax.networks.layers import (
    ResidualBlock,
    RMSNorm,
    SelfAttention,
    Upscale,
    leaky_relu,
    stage,
)
from sagan_jax.networks.resampling import depth_to_space, halve, icnr, space_to_depth

# Pixels of a sketch to the side of a position of the shared map, at most: a sketch at 64 px has all
# that is wanted of it.
_SKETCH_DETAIL = 8


class Encoder(nn.Module):
    """Crops as they are seen `[N, *input_shape]` to the shared map `[N, S, S, shared_width]`.

    A sketch goes past the bottleneck, too, for which eyes are too small: without, `demo64` draws
    eyes that never shut, and `sagan128` shuts one person's where the other lifts the brows.
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
        side, width = x.shape[1], config.shared_width
        code = nn.Dense(config.latent, name="code")(x.reshape(x.shape[0], -1))
        x = leaky_relu(nn.Dense(side * side * width, name="spread")(code))
        x = x.reshape(-1, side, side, width)
        while x.shape[1] < config.resolution >> (len(config.decoder_widths) + 1):
            x = leaky_relu(RMSNorm()(Upscale(width)(x)))
            if x.shape[1] in config.decoder_attention:
                x = SelfAttention()(x)
        if not sketch.shape[-1]:
            return x
        while sketch.shape[1] > _SKETCH_DETAIL * x.shape[1]:
            sketch = halve(sketch)
        while sketch.shape[1] > x.shape[1]:
            sketch = space_to_depth(sketch)
        return x + Conv(config.shared_width, 3, name="sketch")(sketch)


class Decoder(nn.Module):
    """The shared map to one person."""

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
            if side >= SMALLEST_PICTURE:
                rgb = Conv(3, 3, name=f"pixels_{side}")(leaky_relu(x))
                smaller.append(jax.nn.sigmoid(rgb.astype(jnp.float32)))
        # Colour and mask of the four pixels under each position, in one convolution.
        x = depth_to_space(
            Conv(16, 3, kernel_init=icnr(nn.initializers.lecun_normal()), name="pixels")(
                leaky_relu(x)
            )
        )
        x = x.astype(jnp.float32)
        return DecoderOutput(jax.nn.sigmoid(x[..., :3]), x[..., 3:], tuple(smaller))


class Generator(nn.Module):
    """Encoder and both decoders."""

    config: ModelConfig

    def setup(self) -> None:
        ours = self.config.architecture == "sagan"
        decoder = Decoder if ours else faceswap_gan.Decoder
        self.encoder = (Encoder if ours else faceswap_gan.Encoder)(self.config)
        self.decoders = (decoder(self.config), decoder(self.config))

    def encode(self, x: jax.Array) -> jax.Array:
        """Crops `[N, *input_shape]` of anybody to the shared map."""
        return self.encoder(x)

    def decode(self, features: jax.Array, identity: int) -> DecoderOutput:
        """The shared map `[N, S, S, C]` as person 0 (A) or 1 (B)."""
        return self.decoders[identity](features)

    def encode_both(self, x: jax.Array) -> jax.Array:
        """`[2, N, *input_shape]` crops of A and B to their shared maps `[2, N, S, S, C]`."""
        # The images first, which the devices share: otherwise each would need them all.
        features = self.encode(x.swapaxes(0, 1).reshape(-1, *x.shape[2:]))
        return features.reshape(-1, 2, *features.shape[1:]).swapaxes(0, 1)

    def decode_both(self, features: jax.Array) -> DecoderOutput:
        """Shared maps `[2, N, S, S, C]`, the first drawn as A, the second as B."""
        # A loop: as one vmapped (grouped) convolution it is five times slower on a CPU.
        parts = [self.decode(features[i], i) for i in (0, 1)]
        return jax.tree.map(lambda a, b: jnp.stack([a, b]), *parts)

    def __call__(self, x: jax.Array) -> DecoderOutput:
        """Both people, each by the own decoder.

        Args:
          x: `[2, N, *input_shape]` crops of A and B.

        Returns:
          Leaves `[2, N, R, R, C]`.
        """
        return self.decode_both(self.encode_both(x))
