"""The discriminator: is this patch of a face a photograph, given the generator's input?"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from sagan_jax.configs.config import ModelConfig
from sagan_jax.networks import faceswap_gan
from sagan_jax.networks.convolution import Conv
from sagan_jax.networks.layers import SelfAttention, leaky_relu


class Discriminator(nn.Module):
    """A conditional patch discriminator with self-attention, one for each person.

    Its parameters go through `spectral_norm.spectral_normalise_tree` first, which bounds every
    kernel's gain (SAGAN, Zhang et al., 2019; PatchGAN, Isola et al., 2017).
    """

    config: ModelConfig

    @nn.compact
    def __call__(self, images: jax.Array, condition: jax.Array) -> jax.Array:
        """Scores patches of images, higher for real ones.

        Args:
          images: `[N, R, R, 3]` in 0..1, real or generated.
          condition: `[N, *input_shape]`, the input that the images were generated from.

        Returns:
          `[N, h, w, 1]`, unbounded.
        """
        x = jnp.concatenate([2 * images - 1, condition], -1)
        for width in self.config.discriminator_widths:
            x = leaky_relu(Conv(width, 4, stride=2)(x))
        return Conv(1, 3, name="score")(SelfAttention()(x))


def make_discriminator(config: ModelConfig) -> nn.Module:
    """Returns the discriminator of an architecture: `(images, condition)` to scores."""
    if config.architecture == "sagan":
        return Discriminator(config)
    return faceswap_gan.Discriminator(config)
