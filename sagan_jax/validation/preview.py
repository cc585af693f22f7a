"""Preview grids: what the generator makes of a fixed, held-out sample."""

from __future__ import annotations

import functools

import cv2
import jax
import jax.numpy as jnp
import numpy as np

from sagan_jax.configs import schedule
from sagan_jax.configs.config import Config
from sagan_jax.data import augment
from sagan_jax.inputs.generator_input import assemble, guide_channels
from sagan_jax.networks.generator import Generator
from sagan_jax.networks.precision import Params
from sagan_jax.validation.reconstruction import HeldOut

COLUMNS = 8
_TILE = 128
_NOTICE = "AI-generated: synthetic faces. Held-out crops of"
_STRIP, _MARGIN = 24, 96


class Preview:
    """Draws `COLUMNS` held-out crops of each identity through both decoders.

    Rows: A, A warped as in training, A drawn from that, A by decoder A, A as B, mask of that;
    then the same of B.
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
        """`[height, width, 3]` uint8 RGB: 12 captioned rows below a line that says what it is."""
        drawn = jax.device_get(self._render(params, self._inputs))
        rows = [
            _row(images, self._width)
            for real, parts in zip(self._sample, zip(*drawn, strict=True), strict=True)
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
    """Warped, drawn from that, own, swapped, mask of the swap; each `[2, COLUMNS, R, R, 3]` uint8.

    Each identity is read through its own colours, whoever draws it.
    """
    generator, variables = Generator(config.model), {"params": params}
    pictures, masks, crossed = (
        array.astype(jnp.float32) / 255 for array in (images, masks, crossed)
    )
    warp = schedule.at(config.augment.warp, jnp.float32(0))
    settings = config.augment, warp, config.model.columns
    batches = [augment.augment(jax.random.key(i), pictures[i], masks[i], *settings) for i in (0, 1)]
    warped, warped_guides = (
        jnp.stack([getattr(batch, name) for batch in batches]) for name in ("shown", "guides")
    )
    look = jax.vmap(functools.partial(assemble, config=config.model))
    distorted, shown, to_swap = (
        look(x, guides, colours[:, 0], colours[:, 1])
        for x, guides in (
            (warped, warped_guides), (pictures, guide_channels(masks)), (pictures, guide_channels(crossed))
        )
    )  # fmt: skip
    # One pass: what each decoder is to draw, one after the other.
    out = generator.apply(variables, jnp.concatenate([distorted, shown, to_swap[::-1]], 1))
    undistorted, own, swapped = jnp.split(out.rgb, 3, 1)
    mask = jnp.repeat(jnp.split(out.mask, 3, 1)[2][::-1], 3, -1)
    parts = (warped, undistorted, own, swapped[::-1], mask)
    return tuple((jnp.clip(part, 0, 1) * 255).astype(jnp.uint8) for part in parts)


def _captions(names: tuple[str, str]) -> list[list[str]]:
    both = zip(names, names[::-1], strict=True)
    return [
        [one, *line]
        for one, other in both
        for line in (
            [], ["warped"], ["from warped"], ["by its own", "decoder"], ["as", other], ["mask"]
        )
    ]  # fmt: skip


def _spread(crops: np.ndarray) -> np.ndarray:
    """Crops evenly spread over the held-out time."""
    return np.asarray(crops)[np.linspace(0, len(crops) - 1, COLUMNS).round().astype(int)]


def _row(images: np.ndarray, width: int) -> np.ndarray:
    tiles = [cv2.resize(i, (width, _TILE), interpolation=cv2.INTER_CUBIC) for i in images]
    return np.concatenate(tiles, 1)


def _text(shape: tuple[int, int], lines: list[str]) -> np.ndarray:
    """Light text on dark, `[height, width, 3]` uint8; what has no glyph is shown as "?"."""
    ground = np.full((*shape, 3), 24, np.uint8)
    for i, line in enumerate(lines):
        corner = (6, 17 + 18 * i)
        plain = line[: shape[1] // 8].encode("ascii", "replace").decode()
        cv2.putText(
            ground, plain, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (230, 230, 230), 1, cv2.LINE_AA
        )
    return ground
