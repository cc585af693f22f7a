"""Who is who: a face to an embedding."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from data_prep import alignment, identity_network
from data_prep.identity_network import CHIP_SIZE
from data_prep.records import EMBEDDING_SIZE

# Where dlib puts the outer and inner corners of the eyes and the base of the nose in a chip
# without margin, as shares of its side; the network saw a quarter more on every side.
_POINTS = {33: (0.1206, 0.2137), 133: (0.3341, 0.2291), 362: (0.6461, 0.2290), 263: (0.8596, 0.2135), 2: (0.4901, 0.6278)}  # fmt: skip
_MARGIN = 0.25
_CHIP_LANDMARKS = np.array(list(_POINTS))
_CHIP_TEMPLATE = (np.array(list(_POINTS.values())) + _MARGIN) / (1 + 2 * _MARGIN) * CHIP_SIZE

# Faces a call of the network; on a CPU more are no faster.
_BATCH = 8


def chip(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """The face as the identity network wants it: upright, eyes and nose in their places.

    Args:
      image: `[height, width, 3]` uint8 RGB.
      landmarks: `[478, 2]` image pixels.

    Returns:
      `[150, 150, 3]` uint8.
    """
    transform = alignment.fit_similarity(landmarks[_CHIP_LANDMARKS], _CHIP_TEMPLATE)
    return alignment.warp(image, transform, CHIP_SIZE)


def embed(chips: np.ndarray) -> np.ndarray:
    """Embeddings of any number of faces; the closer two are (L2), the likelier one person.

    Args:
      chips: `[N, 150, 150, 3]` uint8, as of `chip`.

    Returns:
      `[N, EMBEDDING_SIZE]` float32.
    """
    result = np.empty((len(chips), EMBEDDING_SIZE), np.float32)
    for start in range(0, len(chips), _BATCH):
        part = chips[start : start + _BATCH]
        padded = part if len(part) == 1 else np.resize(part, (_BATCH, *part.shape[1:]))
        result[start : start + _BATCH] = jax.device_get(_network()(padded))[: len(part)]
    return result


@functools.cache
def _network() -> Callable[[np.ndarray], jax.Array]:
    variables = jax.device_put(identity_network.load())
    network = identity_network.ResNet()
    compiled = jax.jit(lambda variables, chips: network.apply(variables, chips.astype(jnp.float32)))
    return functools.partial(compiled, variables)
