"""Frames that were never trained on, and how well each person is reconstructed there."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from data_prep.even_spacing import spread
from data_prep.records import CROP_SIZE
from sagan_jax.configs.config import ModelConfig
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.data import identity_crops
from sagan_jax.data.identity_crops import Identity
from sagan_jax.inputs.generator_input import MASKS, assemble, guide_channels
from sagan_jax.inputs.identity_stats import IdentityStats
from sagan_jax.inputs.retargeting import Places, retargeted
from sagan_jax.inputs.sketch import sketch
from sagan_jax.losses import perceptual
from sagan_jax.networks.generator import Generator
from sagan_jax.networks.precision import Params
from sagan_jax.validation.face_ssim import face_ssim

_SAMPLE = 64
# Errors that are as good as none. Pictures of one person are so unlike; the best models miss
# expressions by as much, and less is a mask so small that nothing is swapped.
_LEAST_UNLIKENESS, _LEAST_EXPRESSION_ERROR, _LEAST_ERROR = 0.05, 0.02, 1e-6


class HeldOut(NamedTuple):
    """Crops of A and of B.

    Attributes:
      own: to be drawn by the own decoder.
      crossed: the same, to be drawn by the other one: eyes and mouth of the sketch are where the
        other person has them, as in a conversion (`retarget.py`).
    """

    own: tuple[Identity, Identity]
    crossed: tuple[Identity, Identity]


Measure = Callable[[Params], dict[str, float]]
MakeMeasure = Callable[[ModelConfig, HeldOut], Measure]


class Sample(NamedTuple):
    """A few crops of one person, evenly spread.

    Attributes:
      images: `[N, R, R, 3]` uint8 RGB.
      masks: `[N, R, R]` uint8, 0..255, of the face.
      seen: `[N, R, R, C]` float32, what the encoder is shown.
    """

    images: np.ndarray
    masks: np.ndarray
    seen: jax.Array


def load(
    folders: tuple[pathlib.Path, pathlib.Path],
    config: ModelConfig,
    identity_stats: tuple[IdentityStats, IdentityStats],
) -> HeldOut:
    """What was held out of two data sets.

    Args:
      folders: data sets of A and of B.
      config: of the networks.
      portraits: of A and of B, from the crops that are trained on.

    Raises:
      InputError: if a folder is no data set, or nothing was held out.
    """
    a, b = (one.places for one in identity_stats)
    usual = Places(a, b), Places(b, a)
    (own_a, crossed_a), (own_b, crossed_b) = (
        _both(folder, config.crop_window, of) for folder, of in zip(folders, usual, strict=True)
    )
    return HeldOut((own_a, own_b), (crossed_a, crossed_b))


def samples(config: ModelConfig, people: tuple[Identity, Identity], count: int) -> list[Sample]:
    """At most `count` crops of A and as many of B."""
    count = min(count, *(len(identity.images) for identity in people))
    return [_sample(config, identity, count) for identity in people]


def make_measure(config: ModelConfig, held_out: HeldOut) -> Measure:
    """A function of the averaged generator.

    It returns, over at most 64 crops of each person drawn by the own decoder at network resolution:
    `holdout_ssim_a` and `holdout_ssim_b`, `face_ssim` (-1..1, higher is better), and
    `holdout_lpips_a` and `holdout_lpips_b`, the perceptual distance by AlexNet of crop and drawn
    face in the true surroundings (Zhang et al., 2018; 0 is best).
    """
    several = samples(config, held_out.own, _SAMPLE)
    inputs = jnp.stack([sample.seen for sample in several])
    render = jax.jit(lambda params: Generator(config).apply({"params": params}, inputs).rgb)
    judge, distance = perceptual.load("alexnet"), jax.jit(_distance)

    def measure(params: Params) -> dict[str, float]:
        rendered = np.clip(jax.device_get(render(params)), 0, 1)
        figures = {}
        for name, (images, masks, _), out in zip("ab", several, rendered, strict=True):
            made = np.round(out * 255).astype(np.uint8)
            figures[f"holdout_ssim_{name}"] = float(face_ssim(images, made, masks > 127).mean())
            figures[f"holdout_lpips_{name}"] = float(distance(judge, images, masks, out))
        return figures

    return measure


def quality(measured: Mapping[str, float]) -> float | None:
    """By which the best checkpoint is chosen, higher is better; None if it is not finite.

    Minus the logarithm of the geometric mean of four errors of either person, so that a tenth less
    of any counts alike, whatever its unit: what SSIM lacks of 1 and the perceptual distance, of the
    own face, and what identity lacks of 1 and the expression error, of the face drawn as the
    other (`holdout_swap.py`). SSIM alone prefers the blurred. What cannot be told is at its worst.
    """
    errors = []
    for name in "ab":
        likeness = measured.get(f"holdout_identity_{name}", 0.0)
        expression = measured.get(f"holdout_expression_{name}", 100.0)
        errors += [
            1 - measured[f"holdout_ssim_{name}"],
            measured[f"holdout_lpips_{name}"],
            max(1 - likeness, _LEAST_UNLIKENESS),
            max(expression / 100, _LEAST_EXPRESSION_ERROR),
        ]
    value = -float(np.log(np.maximum(errors, _LEAST_ERROR)).mean())
    return value if np.isfinite(value) else None


def _both(
    folder: pathlib.Path, crop_window: CropWindow, usual: Places
) -> tuple[Identity, Identity]:
    """What was held out of a data set, as it is and to be drawn as the other person."""
    examples = identity_crops.read(folder, "holdout", crop_window)
    own = identity_crops.gather(examples, identity_crops.identity_stats(examples))
    crossed = own.masks.copy()
    crossed[..., MASKS.index("sketch")] = [
        crop_window.of(sketch(retargeted(landmarks, usual), CROP_SIZE))
        for *_, landmarks in examples
    ]
    return own, own._replace(masks=crossed)


def _unit(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / 255


def _sample(config: ModelConfig, identity: Identity, count: int) -> Sample:
    chosen = spread(len(identity.images), count)
    images, masks = (np.asarray(array)[chosen] for array in (identity.images, identity.masks))
    light = identity.mean, identity.std
    shown = assemble(_unit(images), guide_channels(_unit(masks)), *light, config)
    return Sample(images, masks[..., 0], shown)


def _distance(judge: Params, images: jax.Array, masks: jax.Array, drawn: jax.Array) -> jax.Array:
    real = images.astype(jnp.float32) / 255
    inside = (masks > 127)[..., None].astype(jnp.float32)
    return perceptual.distance(judge, inside * drawn + (1 - inside) * real, real)
