"""Smooth continuation of an image beyond the edge of its known region (pull-push).

The known pixels are averaged into ever coarser images; each unknown pixel takes its value
from the finest of these that knows one (Gortler et al., "The Lumigraph", 1996).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from sagan_jax.networks.resampling import halve


def extrapolate(images: jax.Array, known: jax.Array) -> jax.Array:
    """Continues an image smoothly to where it is not known.

    Args:
      images: `[N, R, R, C]` float32.
      known: `[N, R, R, 1]` float32, 0..1.

    Returns:
      `[N, R, R, C]`: the image where `known` is 1, its continuation where it is 0; black
      where nothing at all is known.
    """
    if images.shape[1] % 2:
        # An odd side cannot be halved any further: one mean continues the whole level.
        weighted = (known * images).sum((1, 2), keepdims=True)
        beyond = weighted / jnp.maximum(known.sum((1, 2), keepdims=True), 1e-6)
    else:
        share = halve(known)
        coarse = halve(known * images) / jnp.maximum(share, 1e-6)
        # A coarse pixel counts as known as soon as one of its four pixels is.
        coarse = extrapolate(coarse, jnp.minimum(4 * share, 1.0))
        beyond = jax.image.resize(coarse, images.shape, "linear")
    return known * images + (1 - known) * beyond
