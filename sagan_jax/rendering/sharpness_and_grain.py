"""The swapped face as crisp and as grainy as the scene it goes into.

Both are measured at the scale of the picture: in the crop the scene may be enlarged, and then
looks softer than it is. Only brightness is changed; colours at edges stay as they are.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import NamedTuple

import cv2
import numpy as np

from data_prep.imaging import similarity
from data_prep.media.coded_frame import CodedFrame
from sagan_jax.rendering import blending

# Of the side of the crop: details finer than the generator's pixels, which it cannot draw.
# Twice as coarse costs 0.03 to 0.05 of identity transfer.
_FINE = 0.006
_MAX_SHARPENING = 6.0
# Second differences along both axes: flat, sloping and curved skin gives nothing.
_GRAIN_KERNEL = np.outer([1, -2, 1], [1, -2, 1]).astype(np.float32)
# Median of the absolute value of a Gaussian, in standard deviations.
_MEDIAN = 0.6745
# Grains wider than this, in pixels, are texture.
_WIDTHS = np.linspace(0.0, 1.5, 31)
# Levels of 0..255: more is texture.
_MAX_GRAIN = 8.0
# Side of the field of noise that every frame takes another part of, pixels.
_NOISE = 1024
# Pixels that are looked at, each way.
_SIGHT = 256


class Grain(NamedTuple):
    """Noise of a picture.

    Attributes:
      sigma: standard deviation, levels of 0..255.
      width: of the grains, standard deviation of the blur that makes them of white noise, pixels.
    """

    sigma: float
    width: float


def grain_of(luma: np.ndarray, shown: np.ndarray) -> Grain:
    """The noise of a picture, where it is shown.

    After Immerkaer, "Fast Noise Variance Estimation", 1996, with a median in place of the mean,
    which edges move less, and at two distances, which tell how wide the grains are.

    Args:
      luma: `[h, w]` float32, levels of 0..255.
      shown: `[h, w]` bool.
    """
    near, far = (_response(luma[::step, ::step], shown[::step, ::step]) for step in (1, 2))
    if not near or not far:
        return Grain(0.0, 0.0)
    ratios = _gain(_WIDTHS, 1) / _gain(_WIDTHS, 2)
    width = float(np.interp(-near / far, -ratios, _WIDTHS))
    return Grain(min(far / float(_gain(np.array(width), 2)), _MAX_GRAIN), width)


@dataclasses.dataclass(frozen=True)
class Sight:
    """A swapped face and its scene, at the scale of the picture, in the middle of the face.

    Attributes:
      scene: `[h, w]` float32, luma, levels of 0..255.
      face: likewise, of what is drawn.
      fine: likewise, the fine part of it (see `fine`).
      alpha: `[h, w]` float32, how much of it is shown.
    """

    scene: np.ndarray
    face: np.ndarray
    fine: np.ndarray
    alpha: np.ndarray


def look_at(
    luma: np.ndarray,
    finer: np.ndarray,
    alpha: np.ndarray,
    transform: np.ndarray,
    picture: CodedFrame,
) -> Sight | None:
    """What there is to compare; None if nothing is shown.

    Args:
      luma: `[R, R]` float32, levels of 0..255, of the crop.
      finer: its fine part.
      alpha: `[S, S]` float32, of the same crop.
      transform: `[2, 3]` from pixels of the picture to those of `alpha`.
      picture: in which the other face still is.
    """
    rows, columns = (
        _middle(part) for part in blending.visible_part(picture.shape, alpha, transform, margin=0)
    )
    if rows.start == rows.stop or columns.start == columns.stop:
        return None
    place, to_alpha = (rows, columns), transform.astype(np.float64)
    to_luma = similarity.resize_transform(to_alpha, len(alpha), len(luma))
    shown = blending.warped(alpha, to_alpha, place)
    face, fine_face = (blending.warped(one, to_luma, place) for one in (luma, finer))
    return Sight(picture.luma(place), face, fine_face, shown) if (shown > 0.5).any() else None


def fine(luma: np.ndarray) -> np.ndarray:
    """What a blur by the radius of the generator's pixels takes away from a crop."""
    return luma - cv2.GaussianBlur(luma, (0, 0), _FINE * len(luma))


def sharpening_of(seen: Sight, grain: Grain = Grain(0.0, 0.0)) -> float:
    """Amount of unsharp masking, of `fine`, that makes a swapped face as crisp as its scene.

    Compares the mean absolute Laplacian of the luma inside the mask.

    Args:
      seen: the face and its scene.
      grain: that the face will get; what it adds to the Laplacian is no sharpness.

    Returns:
      0 (crisp enough) to `_MAX_SHARPENING`.
    """
    wanted, have, finer = (
        _crispness(one, seen.alpha) for one in (seen.scene, seen.face, seen.fine)
    )
    wanted = math.sqrt(max(wanted**2 - _crispness_of(grain) ** 2, 0.0))
    return float(np.clip((wanted - have) / max(finer, 1e-3), 0, _MAX_SHARPENING))


def missing_grain(seen: Sight) -> Grain:
    """What a face lacks of the noise of its scene."""
    shown = seen.alpha > 0.5
    theirs, ours = (grain_of(luma, shown) for luma in (seen.scene, seen.face))
    return Grain(math.sqrt(max(theirs.sigma**2 - ours.sigma**2, 0.0)), theirs.width)


def noise_of(grain: Grain, shape: tuple[int, int], seed: tuple[int, ...]) -> np.ndarray:
    """Noise `[h, w]` float32, levels of 0..255, the same for the same seed."""
    noise = _noise(float(_WIDTHS[np.abs(_WIDTHS - grain.width).argmin()]))
    if max(shape) > _NOISE:
        noise = np.tile(noise, [-(-extent // _NOISE) for extent in shape])
    free = [have - extent + 1 for have, extent in zip(noise.shape, shape, strict=True)]
    top, left = np.random.default_rng(seed).integers(free).tolist()
    noise = noise[top : top + shape[0], left : left + shape[1]]
    return np.float32(grain.sigma / max(float(noise.std()), 1e-3)) * noise


@functools.lru_cache(maxsize=8)
def _noise(width: float) -> np.ndarray:
    """Drawn and blurred once, and not for every frame."""
    white = np.random.default_rng(0).standard_normal((_NOISE, _NOISE), np.float32)
    return cv2.GaussianBlur(white, (0, 0), width) if width > 0.1 else white


def _response(luma: np.ndarray, shown: np.ndarray) -> float:
    """Spread of the grain kernel's response, 0 where there is nothing."""
    every_other = slice(None, None, 2), slice(None, None, 2)
    inside = np.abs(cv2.filter2D(luma, cv2.CV_32F, _GRAIN_KERNEL)[every_other][shown[every_other]])
    return float(np.median(inside)) / _MEDIAN if inside.size else 0.0


def _gain(width: np.ndarray, step: int) -> np.ndarray:
    """What the grain kernel makes of the standard deviation of grains of a width."""
    return 6 - 8 * _alike(step, width) + 2 * _alike(2 * step, width)


def _alike(distance: float, width: np.ndarray | float) -> np.ndarray:
    """Correlation of two pixels, so far apart, of white noise blurred by a Gaussian."""
    return np.exp(-(distance**2) / (4 * np.maximum(width, 1e-2) ** 2))


def _crispness_of(grain: Grain) -> float:
    """Mean absolute Laplacian of noise."""
    near, across, far = (float(_alike(d, grain.width)) for d in (1, math.sqrt(2), 2))
    variance = 20 - 32 * near + 8 * across + 4 * far
    return grain.sigma * math.sqrt(2 / math.pi * max(variance, 0.0))


def _crispness(luma: np.ndarray, alpha: np.ndarray) -> float:
    """Mean absolute Laplacian where a face is shown."""
    return cv2.norm(cv2.Laplacian(luma, cv2.CV_32F) * alpha, cv2.NORM_L1) / float(alpha.sum())


def _middle(part: slice) -> slice:
    """Of a range, no more than is needed to judge by."""
    start = max((part.start + part.stop - _SIGHT) // 2, part.start)
    return slice(start, min(start + _SIGHT, part.stop))
