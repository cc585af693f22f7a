"""Face chips and identity embeddings.

The closer two embeddings are (L2), the likelier they are of one person. Between groups of five
faces of the sample clips the mean distance is, for one person, 0.30 in the median and 0.59 at
most (where a hand covers one of the two faces), and for two people 0.86 in the median and 0.70
at least.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import cv2
import jax
import jax.numpy as jnp
import numpy as np

from data_prep.identity import dlib_resnet
from data_prep.identity.dlib_resnet import CHIP_SIZE
from data_prep.imaging import similarity, warp
from data_prep.records import EMBEDDING_SIZE

# The threshold that dlib's network was trained for.
SAME_PERSON = 0.6

# Landmark to its place in dlib's chip: outer and inner corners of the eyes and base of the nose,
# as shares of the side of a chip without margin. The network was trained with a margin of a
# quarter of the side all around.
_PLACES = {
    33: (0.1206, 0.2137),
    133: (0.3341, 0.2291),
    362: (0.6461, 0.2290),
    263: (0.8596, 0.2135),
    2: (0.4901, 0.6278),
}
_MARGIN = 0.25
_LANDMARKS = np.array(list(_PLACES))
_TEMPLATE = (np.array(list(_PLACES.values())) + _MARGIN) / (1 + 2 * _MARGIN) * CHIP_SIZE

# Faces per call of the network: on a CPU more are no faster.
_BATCH = 8
# Smooth noise of these widths in pixels stands for an image without a face.
_NOISE_SIGMAS = (5.0, 10.0, 20.0, 40.0)
_NOISE_CONTRAST = 50.0


def face_chip(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Crops and aligns a face for the network: upright, with eyes and nose in fixed places.

    Args:
      image: `[height, width, 3]` uint8 RGB.
      landmarks: `[478, 2]` image pixels.

    Returns:
      `[150, 150, 3]` uint8.
    """
    transform = similarity.fit_similarity(landmarks[_LANDMARKS], _TEMPLATE)
    return warp.warp_crop(image, transform, CHIP_SIZE)


def embed(chips: np.ndarray) -> np.ndarray:
    """Returns the embeddings of any number of faces.

    Args:
      chips: `[N, 150, 150, 3]` uint8, made by `face_chip`.

    Returns:
      `[N, EMBEDDING_SIZE]` float32.
    """
    embeddings = np.empty((len(chips), EMBEDDING_SIZE), np.float32)
    for start in range(0, len(chips), _BATCH):
        part = chips[start : start + _BATCH]
        # Only two shapes are compiled: a single face, so that nobody waits for a whole batch,
        # and a full batch.
        padded = part if len(part) == 1 else np.resize(part, (_BATCH, *part.shape[1:]))
        embeddings[start : start + _BATCH] = jax.device_get(_network()(padded))[: len(part)]
    return embeddings


@functools.cache
def non_face_embedding() -> np.ndarray:
    """Returns the mean embedding of smooth noise, `[EMBEDDING_SIZE]`.

    Image regions without a face have embeddings near to it.
    """
    random = np.random.default_rng(0)
    chips = []
    for sigma in _NOISE_SIGMAS * 8:
        noise = cv2.GaussianBlur(random.normal(size=(CHIP_SIZE, CHIP_SIZE)), (0, 0), sigma)
        grey = np.clip(127 + _NOISE_CONTRAST * noise / noise.std(), 0, 255).astype(np.uint8)
        chips.append(np.repeat(grey[..., None], 3, axis=2))
    return embed(np.stack(chips)).mean(0)


@functools.cache
def _network() -> Callable[[np.ndarray], jax.Array]:
    network, variables = dlib_resnet.ResNet(), jax.device_put(dlib_resnet.load())
    compiled = jax.jit(lambda variables, chips: network.apply(variables, chips.astype(jnp.float32)))
    return functools.partial(compiled, variables)
