"""Matches sharpness and grain of the swapped face to the scene it goes into.

Both are measured at the scale of the frame: in the crop the scene may be enlarged, and then looks
softer than it is. Only brightness is changed; colours at edges stay as they are.
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

# Radius of the unsharp mask as a share of the crop's side: isolates details finer than the pixels
# of the generator, which it cannot render. A radius twice as large costs 0.03 to 0.05 of identity
# transfer.
_DETAIL_RADIUS = 0.006
_MAX_SHARPENING = 6.0
# Second differences along both axes: flat, sloping and curved skin give no response.
_GRAIN_KERNEL = np.outer([1, -2, 1], [1, -2, 1]).astype(np.float32)
# Median of the absolute value of a Gaussian, in standard deviations.
_MEDIAN = 0.6745
# Widths of grains that are distinguished, pixels; wider ones are texture.
_WIDTHS = np.linspace(0.0, 1.5, 31)
# Strongest noise that counts as grain, levels of 0..255; stronger is texture.
_MAX_GRAIN = 8.0
# Side of the field of noise from which every frame takes another part, pixels.
_NOISE_SIDE = 1024
# Largest extent that is measured along each axis, pixels.
_MEASURED_SIDE = 256


class Grain(NamedTuple):
    """Noise of an image.

    Attributes:
      sigma: standard deviation, levels of 0..255.
      width: width of the grains: standard deviation of the blur that makes them of white noise,
        pixels.
    """

    sigma: float
    width: float


def estimate_grain(luma: np.ndarray, visible: np.ndarray) -> Grain:
    """Estimates the noise of an image inside a mask.

    After Immerkaer, "Fast Noise Variance Estimation", 1996, with a median in place of the mean,
    which edges affect less, and at two distances, whose ratio gives the width of the grains.

    Args:
      luma: `[h, w]` float32, levels of 0..255.
      visible: `[h, w]` bool.
    """
    near, far = (_kernel_response(luma[::step, ::step], visible[::step, ::step]) for step in (1, 2))
    if not near or not far:
        return Grain(0.0, 0.0)
    # The ratio falls with the width, and `np.interp` needs rising abscissae: hence the signs.
    ratios = _kernel_gain(_WIDTHS, 1) / _kernel_gain(_WIDTHS, 2)
    width = float(np.interp(-near / far, -ratios, _WIDTHS))
    return Grain(min(far / float(_kernel_gain(np.array(width), 2)), _MAX_GRAIN), width)


@dataclasses.dataclass(frozen=True)
class FaceInScene:
    """A generated face and its scene at the scale of the frame, in the middle of the face.

    Attributes:
      scene: `[h, w]` float32, luma of the scene, levels of 0..255.
      face: `[h, w]` float32, luma of the generated face.
      detail: `[h, w]` float32, fine detail of `face` (see `fine_detail`).
      alpha: `[h, w]` float32, opacity of the face.
    """

    scene: np.ndarray
    face: np.ndarray
    detail: np.ndarray
    alpha: np.ndarray


def at_frame_scale(
    luma: np.ndarray,
    detail: np.ndarray,
    alpha: np.ndarray,
    transform: np.ndarray,
    frame: CodedFrame,
) -> FaceInScene | None:
    """Brings a generated face to the scale of its frame; None if nothing of it is visible.

    Args:
      luma: `[R, R]` float32, luma of the crop, levels of 0..255.
      detail: `[R, R]` float32, fine detail of `luma`.
      alpha: `[S, S]` float32, opacity of the same crop.
      transform: `[2, 3]` from pixels of the frame to those of `alpha`.
      frame: frame that still shows the target's own face.
    """
    rows, columns = (
        _central_part(part)
        for part in blending.visible_part(frame.shape, alpha, transform, margin=0)
    )
    if rows.start == rows.stop or columns.start == columns.stop:
        return None
    place, to_alpha = (rows, columns), transform.astype(np.float64)
    to_luma = similarity.resize_transform(to_alpha, len(alpha), len(luma))
    opacity = blending.warped(alpha, to_alpha, place)
    if not (opacity > 0.5).any():
        return None
    return FaceInScene(
        scene=frame.luma(place),
        face=blending.warped(luma, to_luma, place),
        detail=blending.warped(detail, to_luma, place),
        alpha=opacity,
    )


def fine_detail(luma: np.ndarray) -> np.ndarray:
    """Part of a crop's luma that a blur by the radius of the generator's pixels removes."""
    return luma - cv2.GaussianBlur(luma, (0, 0), _DETAIL_RADIUS * len(luma))


def sharpening_amount(compared: FaceInScene, grain: Grain = Grain(0.0, 0.0)) -> float:
    """Amount of unsharp masking that makes a generated face as sharp as its scene.

    Compares the mean absolute Laplacian of the luma inside the mask.

    Args:
      compared: the face, its fine detail and its scene.
      grain: grain that the face will get; its share of the scene's Laplacian is not sharpness.

    Returns:
      0 (sharp enough) to `_MAX_SHARPENING`.
    """
    scene, face, detail = (
        _mean_laplacian(luma, compared.alpha)
        for luma in (compared.scene, compared.face, compared.detail)
    )
    # Independent contributions add up as squares.
    goal = math.sqrt(max(scene**2 - _grain_laplacian(grain) ** 2, 0.0))
    return float(np.clip((goal - face) / max(detail, 1e-3), 0, _MAX_SHARPENING))


def missing_grain(compared: FaceInScene) -> Grain:
    """Grain that has to be added to a generated face to match its scene."""
    visible = compared.alpha > 0.5
    scene, face = (estimate_grain(luma, visible) for luma in (compared.scene, compared.face))
    return Grain(math.sqrt(max(scene.sigma**2 - face.sigma**2, 0.0)), scene.width)


def grain_noise(grain: Grain, shape: tuple[int, int], seed: tuple[int, ...]) -> np.ndarray:
    """Noise `[h, w]` float32, levels of 0..255; the same seed gives the same noise."""
    noise = _noise_field(float(_WIDTHS[np.abs(_WIDTHS - grain.width).argmin()]))
    if max(shape) > _NOISE_SIDE:
        noise = np.tile(noise, [-(-extent // _NOISE_SIDE) for extent in shape])
    offsets = [have - extent + 1 for have, extent in zip(noise.shape, shape, strict=True)]
    top, left = np.random.default_rng(seed).integers(offsets).tolist()
    noise = noise[top : top + shape[0], left : left + shape[1]]
    return np.float32(grain.sigma / max(float(noise.std()), 1e-3)) * noise


@functools.lru_cache(maxsize=8)
def _noise_field(width: float) -> np.ndarray:
    """Field of noise of one width of grains, sampled and blurred once rather than every frame."""
    white = np.random.default_rng(0).standard_normal((_NOISE_SIDE, _NOISE_SIDE), np.float32)
    return cv2.GaussianBlur(white, (0, 0), width) if width > 0.1 else white


def _kernel_response(luma: np.ndarray, visible: np.ndarray) -> float:
    """Spread of the grain kernel's response inside a mask, 0 where the mask is empty."""
    # A quarter of the pixels gives as good a median.
    every_other = slice(None, None, 2), slice(None, None, 2)
    response = cv2.filter2D(luma, cv2.CV_32F, _GRAIN_KERNEL)[every_other]
    inside = np.abs(response[visible[every_other]])
    return float(np.median(inside)) / _MEDIAN if inside.size else 0.0


def _kernel_gain(width: np.ndarray, step: int) -> np.ndarray:
    """Ratio of the grain kernel's response to the deviation of noise with grains of a width."""
    return 6 - 8 * _correlation(step, width) + 2 * _correlation(2 * step, width)


def _correlation(distance: float, width: np.ndarray | float) -> np.ndarray:
    """Correlation of two pixels at a distance, in white noise blurred by a Gaussian."""
    return np.exp(-(distance**2) / (4 * np.maximum(width, 1e-2) ** 2))


def _grain_laplacian(grain: Grain) -> float:
    """Mean absolute Laplacian of noise."""
    near, across, far = (
        float(_correlation(distance, grain.width)) for distance in (1, math.sqrt(2), 2)
    )
    variance = 20 - 32 * near + 8 * across + 4 * far
    return grain.sigma * math.sqrt(2 / math.pi * max(variance, 0.0))


def _mean_laplacian(luma: np.ndarray, alpha: np.ndarray) -> float:
    """Mean absolute Laplacian where a face is visible."""
    return cv2.norm(cv2.Laplacian(luma, cv2.CV_32F) * alpha, cv2.NORM_L1) / float(alpha.sum())


def _central_part(part: slice) -> slice:
    """Middle of a range, no longer than the measurements need."""
    start = max((part.start + part.stop - _MEASURED_SIDE) // 2, part.start)
    return slice(start, min(start + _MEASURED_SIDE, part.stop))
