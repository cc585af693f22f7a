"""Preview grids: the generator's output for a fixed, held-out sample."""

from __future__ import annotations

import functools

import cv2
import jax
import jax.numpy as jnp
import numpy as np

from sagan_jax.configs import schedule
from sagan_jax.configs.config import Config
from sagan_jax.data import augment
from sagan_jax.inputs.generator_input import guide_channels, make_input
from sagan_jax.networks.generator import Generator
from sagan_jax.networks.precision import Params
from sagan_jax.validation.reconstruction import HeldOut

COLUMNS = 8
_TILE = 128
_NOTICE = "AI-generated: synthetic faces. Held-out crops of"
_STRIP, _MARGIN = 24, 96


class Preview:
    """Renders `COLUMNS` held-out crops of each identity through both decoders.

    Rows: crops of A, the same warped as in training, the output of A's decoder for the warped ones
    and for the crops, the output of B's decoder, and the mask of the latter; then the same for B.

    Args:
      config: config of the run.
      held_out: held-out crops of A and B.
      names: names of A and B.
    """

    def __init__(self, config: Config, held_out: HeldOut, names: tuple[str, str]):
        self._sample = np.stack([_spread(identity.images) for identity in held_out.own])
        masks, crossed = (
            np.stack([_spread(identity.masks) for identity in people]) for people in held_out
        )
        colours = np.stack([[one.mean, one.std] for one in held_out.own])[:, :, None, None, None]
        inputs = self._sample, masks, crossed, colours.astype(np.float32)
        self._inputs = jax.device_put(inputs)
        self._render = jax.jit(lambda params, inputs: _rows(config, params, *inputs))
        self._captions, self._width = _captions(names), round(_TILE * config.model.columns)
        self._title = f"{_NOTICE} {names[0]} and {names[1]}"

    def grid(self, params: Params) -> np.ndarray:
        """`[height, width, 3]` uint8 RGB: 12 captioned rows below a notice that they are synthetic.

        Args:
          params: parameters of the generator.
        """
        rendered = jax.device_get(self._render(params, self._inputs))
        rows = [
            _row(images, self._width)
            for real, parts in zip(self._sample, zip(*rendered, strict=True), strict=True)
            for images in (real, *parts)
        ]
        captioned = [
            np.hstack([_text((_TILE, _MARGIN), caption), row])
            for caption, row in zip(self._captions, rows, strict=True)
        ]
        return np.vstack([_text((_STRIP, captioned[0].shape[1]), [self._title]), *captioned])


def _rows(
    config: Config,
    params: Params,
    images: jax.Array,
    masks: jax.Array,
    crossed: jax.Array,
    colours: jax.Array,
) -> tuple[jax.Array, ...]:
    """Warped, generated from the warped, own, swapped, mask; each `[2, COLUMNS, R, R, 3]` uint8.

    The input of each identity is normalised by its own colours, whichever decoder generates.

    Args:
      config: config of the run.
      params: parameters of the generator.
      images: `[2, COLUMNS, R, R, 3]` uint8 crops of A and B.
      masks: `[2, COLUMNS, R, R, 4]` uint8 masks, for the own decoder.
      crossed: `[2, COLUMNS, R, R, 4]` uint8 masks, for the other decoder.
      colours: `[2, 2, 1, 1, 1, 3]` float32, mean and spread of each identity's colours.
    """
    images, masks, crossed = (array.astype(jnp.float32) / 255 for array in (images, masks, crossed))
    warped, warped_guides = _warp(config, images, masks)
    to_input = jax.vmap(functools.partial(make_input, config=config.model))
    mean, std = colours[:, 0], colours[:, 1]
    distorted = to_input(warped, warped_guides, mean, std)
    own_input = to_input(images, guide_channels(masks), mean, std)
    swap_input = to_input(images, guide_channels(crossed), mean, std)

    # One pass generates all: each decoder's inputs are concatenated, and the swaps change sides so
    # that each reaches the other decoder.
    inputs = jnp.concatenate([distorted, own_input, swap_input[::-1]], 1)
    out = Generator(config.model).apply({"params": params}, inputs)
    undistorted, own, swapped = jnp.split(out.rgb, 3, 1)
    mask = jnp.repeat(jnp.split(out.mask, 3, 1)[2][::-1], 3, -1)
    parts = (warped, undistorted, own, swapped[::-1], mask)
    return tuple((jnp.clip(part, 0, 1) * 255).astype(jnp.uint8) for part in parts)


def _warp(config: Config, images: jax.Array, masks: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Images and guides of A and B, warped as at the start of training, with fixed keys."""
    warp = schedule.at(config.augment.warp, jnp.float32(0))
    settings = config.augment, warp, config.model.columns
    batches = [augment.augment(jax.random.key(i), images[i], masks[i], *settings) for i in (0, 1)]
    warped = jnp.stack([batch.input_image for batch in batches])
    return warped, jnp.stack([batch.guides for batch in batches])


def _captions(names: tuple[str, str]) -> list[list[str]]:
    """Lines of the caption of each row."""
    captions = []
    for name, other in (names, names[::-1]):
        captions += [
            [name],
            [name, "warped"],
            [name, "from warped"],
            [name, "by its own", "decoder"],
            [name, "as", other],
            [name, "mask"],
        ]
    return captions


def _spread(crops: np.ndarray) -> np.ndarray:
    """`COLUMNS` crops, evenly spread over the held-out time."""
    return np.asarray(crops)[np.linspace(0, len(crops) - 1, COLUMNS).round().astype(int)]


def _row(images: np.ndarray, width: int) -> np.ndarray:
    """Images side by side, each `_TILE` high and `width` wide."""
    tiles = [cv2.resize(i, (width, _TILE), interpolation=cv2.INTER_CUBIC) for i in images]
    return np.concatenate(tiles, 1)


def _text(shape: tuple[int, int], lines: list[str]) -> np.ndarray:
    """Light text on dark, `[height, width, 3]` uint8; characters without a glyph become "?"."""
    canvas = np.full((*shape, 3), 24, np.uint8)
    font, colour = cv2.FONT_HERSHEY_SIMPLEX, (230, 230, 230)
    for i, line in enumerate(lines):
        corner = (6, 17 + 18 * i)
        # A character is about 8 pixels wide.
        plain = line[: shape[1] // 8].encode("ascii", "replace").decode()
        cv2.putText(canvas, plain, corner, font, 0.42, colour, 1, cv2.LINE_AA)
    return canvas
