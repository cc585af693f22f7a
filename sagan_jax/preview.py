"""Preview grids: what the generator makes of a fixed, held-out sample."""

from __future__ import annotations

import pathlib

import cv2
import jax
import numpy as np

from sagan_jax.config import ModelConfig
from sagan_jax.data import Identity
from sagan_jax.generator import Generator
from sagan_jax.sight import seen
from sagan_jax.state import Params

COLUMNS = 8
_TILE = 128


class Preview:
    """Draws `COLUMNS` held-out crops of each identity through both decoders.

    Rows: A, A by decoder A, A as B, mask; then B, B by decoder B, B as A, mask.
    """

    def __init__(self, config: ModelConfig, holdout: tuple[Identity, Identity]):
        samples = [_spread(identity) for identity in holdout]
        self._sample = [images.astype(np.uint8) for images, _ in samples]
        inputs = [
            seen(images / 255, masks / 255, identity.mean, identity.std, config)
            for (images, masks), identity in zip(samples, holdout, strict=True)
        ]
        self._inputs = jax.device_put(np.stack(inputs))
        self._render = jax.jit(lambda params, x: _both_ways(config, params, x))

    def grid(self, params: Params) -> np.ndarray:
        """`[8 * tile, COLUMNS * tile, 3]` uint8 RGB."""
        same, swapped = jax.device_get(self._render(params, self._inputs))
        rows = []
        for i in (0, 1):
            rgb = [np.clip(out[i] * 255, 0, 255).astype(np.uint8) for out in (same[0], swapped[0])]
            mask = np.repeat(np.clip(swapped[1][i] * 255, 0, 255).astype(np.uint8), 3, -1)
            rows += [_row(images) for images in (self._sample[i], *rgb, mask)]
        return np.concatenate(rows)

    def write(self, path: pathlib.Path, params: Params) -> None:
        """Writes the grid as PNG."""
        cv2.imwrite(str(path), cv2.cvtColor(self.grid(params), cv2.COLOR_RGB2BGR))


def _both_ways(
    config: ModelConfig, params: Params, inputs: jax.Array
) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    """Each identity by its own decoder, and by the other's."""
    generator, variables = Generator(config), {"params": params}
    same = generator.apply(variables, inputs)
    swapped = generator.apply(variables, inputs[::-1])
    return (same.rgb, same.mask), (swapped.rgb[::-1], swapped.mask[::-1])


def _spread(identity: Identity) -> tuple[np.ndarray, np.ndarray]:
    """Crops evenly spread over the held-out time and the masks of their faces, float32, 0..255."""
    chosen = np.linspace(0, len(identity.images) - 1, COLUMNS).round().astype(int)
    images, faces = np.asarray(identity.images), np.asarray(identity.masks)[..., :1]
    return images[chosen].astype(np.float32), faces[chosen].astype(np.float32)


def _row(images: np.ndarray) -> np.ndarray:
    tiles = [cv2.resize(i, (_TILE, _TILE), interpolation=cv2.INTER_CUBIC) for i in images]
    return np.concatenate(tiles, 1)
