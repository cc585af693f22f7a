"""Colours of the swapped face made those of the scene it goes into.

A transfer is fitted in CIELAB to what lies inside the mask of each frame. What it consists of
are arrays, so that it can be steadied over time (`finish`) and follow the light without flicker.
"""

from __future__ import annotations

import dataclasses
import enum
import functools

import cv2
import numpy as np

# A rendered face that lies outside these needs a better model, not more contrast.
_GAIN_LIMITS = (0.8, 1.25)
_QUANTILES = np.linspace(0.005, 0.995, 64)
# Of the pixels in the mask: quantiles of as many are as good as of all.
_SAMPLES = 4096
_ROTATIONS = 6


class Method(enum.StrEnum):
    """How colours are transferred.

    NONE leaves them. MEAN_STD gives each Lab channel mean and spread of the scene (Reinhard
    et al., "Color Transfer between Images", 2001). COVARIANCE also its correlations, by the
    linear map that moves colours least (Pitie and Kokaram, "The Linear Monge-Kantorovitch
    Linear Colour Mapping", 2007). HISTOGRAM matches each channel's distribution. TRANSPORT
    matches the joint distribution, along the axes of a few rotations in turn (Pitie et al.,
    "Automated Colour Grading Using Colour Distribution Transfer", 2007; Rabin et al., "Wasserstein
    Barycenter and its Application to Texture Mixing", 2011).
    """

    NONE = "none"
    MEAN_STD = "mean_std"
    COVARIANCE = "covariance"
    HISTOGRAM = "histogram"
    TRANSPORT = "transport"


@dataclasses.dataclass(frozen=True)
class LinearTransfer:
    """Lab to Lab: `matrix @ (lab - mean) + goal`.

    Attributes:
      matrix: `[3, 3]`.
      mean: `[3]` of the rendered face.
      goal: `[3]` of the face in the frame.
    """

    matrix: np.ndarray
    mean: np.ndarray
    goal: np.ndarray

    def of_lab(self, lab: np.ndarray) -> np.ndarray:
        """Colours `[H, W, 3]` float32 moved."""
        shift = self.goal - self.matrix @ self.mean
        return cv2.transform(lab, np.column_stack([self.matrix, shift]))


@dataclasses.dataclass(frozen=True)
class QuantileTransfer:
    """Lab to Lab: along the axes of each rotation in turn, quantiles to quantiles.

    Attributes:
      rotations: `[K, 3, 3]`, the axes in the columns.
      before: `[K, 3, Q]` quantiles of the rendered face along each axis, rising.
      after: `[K, 3, Q]` those of the scene.
    """

    rotations: np.ndarray
    before: np.ndarray
    after: np.ndarray

    def of_lab(self, lab: np.ndarray) -> np.ndarray:
        """Colours `[..., 3]` moved."""
        for rotation, before, after in zip(self.rotations, self.before, self.after, strict=True):
            lab = _along_axes(lab @ rotation, before, after) @ rotation.T
        return lab


Transfer = LinearTransfer | QuantileTransfer


def fit(method: Method, rendered: np.ndarray, scene: np.ndarray, mask: np.ndarray) -> Transfer:
    """The transfer that makes one face look like the other.

    Args:
      method: how.
      rendered: `[H, W, 3]` float32 in 0..1.
      scene: likewise, the same crop of the frame.
      mask: `[H, W]`, 0..1; what is at least half inside counts, three pixels or more.
    """
    inside = mask >= 0.5
    if method is Method.NONE:
        return LinearTransfer(np.eye(3), np.zeros(3), np.zeros(3))
    ours, theirs = (_pixels(image, inside) for image in (rendered, scene))
    if method is Method.MEAN_STD:
        gain = np.clip(_spread(theirs) / _spread(ours), *_GAIN_LIMITS)
        return LinearTransfer(np.diag(gain), ours.mean(0), theirs.mean(0))
    if method is Method.COVARIANCE:
        return LinearTransfer(_monge(ours, theirs), ours.mean(0), theirs.mean(0))
    rotations = np.eye(3)[None] if method is Method.HISTOGRAM else _rotations()
    return _fit_quantiles(ours, theirs, rotations)


def apply(transfer: Transfer, rgb: np.ndarray) -> np.ndarray:
    """An image `[H, W, 3]` float32 in 0..1 with the colours of the scene, likewise."""
    lab = transfer.of_lab(to_lab(rgb)).astype(np.float32)
    return np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1)


def to_lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB `[H, W, 3]` float32 in 0..1 to CIELAB float32 (L 0..100)."""
    return cv2.cvtColor(np.asarray(rgb, np.float32), cv2.COLOR_RGB2LAB)


def _pixels(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """An even sample of the colours inside, `[N, 3]` Lab float64."""
    pixels = image[inside]
    return to_lab(pixels[None, :: max(1, len(pixels) // _SAMPLES)])[0].astype(np.float64)


def _spread(pixels: np.ndarray) -> np.ndarray:
    return pixels.std(0) + 1e-3


def _monge(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """The symmetric map between two covariances, its gains bounded."""
    a, b = (np.cov(pixels.T) + 1e-3 * np.eye(3) for pixels in (ours, theirs))
    root = _power(a, 0.5)
    inverse = _power(a, -0.5)
    gains, axes = np.linalg.eigh(inverse @ _power(root @ b @ root, 0.5) @ inverse)
    return axes @ np.diag(np.clip(gains, *_GAIN_LIMITS)) @ axes.T


def _power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """Of a symmetric positive definite matrix."""
    values, axes = np.linalg.eigh(matrix)
    return axes @ np.diag(np.maximum(values, 1e-9) ** exponent) @ axes.T


def _fit_quantiles(ours: np.ndarray, theirs: np.ndarray, rotations: np.ndarray) -> QuantileTransfer:
    before, after = [], []
    for rotation in rotations:
        turned, goal = ours @ rotation, theirs @ rotation
        before.append(np.quantile(turned, _QUANTILES, axis=0).T)
        after.append(np.quantile(goal, _QUANTILES, axis=0).T)
        ours = _along_axes(turned, before[-1], after[-1]) @ rotation.T
    return QuantileTransfer(rotations, np.array(before), np.array(after))


def _along_axes(values: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Each channel moved as its quantiles move; beyond the outermost as these."""
    moved = [
        values[..., i] + np.interp(values[..., i], before[i], after[i] - before[i])
        for i in range(3)
    ]
    return np.stack(moved, -1)


@functools.cache
def _rotations() -> np.ndarray:
    """The axes of Lab, then some that are spread evenly, the same at every call."""
    random = np.random.default_rng(0)
    turned = [np.linalg.qr(random.normal(size=(3, 3)))[0] for _ in range(_ROTATIONS - 1)]
    return np.stack([np.eye(3), *turned])
