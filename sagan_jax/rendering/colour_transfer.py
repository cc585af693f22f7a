"""Colour transfer from the scene to the face that is swapped into it.

A transfer is fitted in CIELAB to the pixels inside the mask of each frame. It consists of arrays,
so that `harmonisation` can smooth it over time and it follows the light without flicker.
"""

from __future__ import annotations

import dataclasses
import functools

import cv2
import numpy as np

from sagan_jax.rendering.render_settings import ColourMethod

# A generated face that needs gains outside these limits needs a better model, not more contrast.
_GAIN_LIMITS = (0.8, 1.25)
_QUANTILES = np.linspace(0.005, 0.995, 64)
# Pixels that are sampled inside the mask; their quantiles are as good as those of all pixels.
_SAMPLES = 4096
_ROTATIONS = 6


@dataclasses.dataclass(frozen=True)
class LinearTransfer:
    """Affine map from Lab to Lab: `matrix @ (lab - mean) + goal`.

    Attributes:
      matrix: `[3, 3]`.
      mean: `[3]` mean colour of the generated face.
      goal: `[3]` mean colour of the face in the frame.
    """

    matrix: np.ndarray
    mean: np.ndarray
    goal: np.ndarray

    def map_lab(self, lab: np.ndarray) -> np.ndarray:
        """Maps Lab colours `[H, W, 3]` float32."""
        shift = self.goal - self.matrix @ self.mean
        return cv2.transform(lab, np.column_stack([self.matrix, shift]))


@dataclasses.dataclass(frozen=True)
class QuantileTransfer:
    """Map from Lab to Lab that matches quantiles along the axes of each rotation in turn.

    Attributes:
      rotations: `[K, 3, 3]`, the axes in the columns.
      before: `[K, 3, Q]` quantiles of the generated face along each axis, rising.
      after: `[K, 3, Q]` quantiles of the scene along each axis, rising.
    """

    rotations: np.ndarray
    before: np.ndarray
    after: np.ndarray

    def map_lab(self, lab: np.ndarray) -> np.ndarray:
        """Maps Lab colours `[..., 3]`."""
        for rotation, before, after in zip(self.rotations, self.before, self.after, strict=True):
            lab = _along_axes(lab @ rotation, before, after) @ rotation.T
        return lab


Transfer = LinearTransfer | QuantileTransfer


def fit(
    method: ColourMethod, generated: np.ndarray, scene: np.ndarray, mask: np.ndarray
) -> Transfer:
    """Fits the transfer that gives a generated face the colours of the scene.

    Args:
      method: kind of transfer.
      generated: `[H, W, 3]` float32 in 0..1.
      scene: `[H, W, 3]` float32 in 0..1, the same crop of the frame.
      mask: `[H, W]`, 0..1; pixels that are at least half inside count, three or more of them.
    """
    inside = mask >= 0.5
    if method is ColourMethod.NONE:
        return LinearTransfer(np.eye(3), np.zeros(3), np.zeros(3))
    face, goal = _lab_samples(generated, inside), _lab_samples(scene, inside)
    if method is ColourMethod.MEAN_STD:
        gain = np.clip(_spread(goal) / _spread(face), *_GAIN_LIMITS)
        return LinearTransfer(np.diag(gain), face.mean(0), goal.mean(0))
    if method is ColourMethod.COVARIANCE:
        return LinearTransfer(_monge(face, goal), face.mean(0), goal.mean(0))
    rotations = np.eye(3)[None] if method is ColourMethod.HISTOGRAM else _rotations()
    return _fit_quantiles(face, goal, rotations)


def apply(transfer: Transfer, rgb: np.ndarray) -> np.ndarray:
    """Maps the colours of an image `[H, W, 3]` float32 in 0..1; same shape and range."""
    lab = transfer.map_lab(to_lab(rgb)).astype(np.float32)
    return np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1)


def to_lab(rgb: np.ndarray) -> np.ndarray:
    """Converts sRGB `[H, W, 3]` float32 in 0..1 to CIELAB float32 (L 0..100)."""
    return cv2.cvtColor(np.asarray(rgb, np.float32), cv2.COLOR_RGB2LAB)


def _lab_samples(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Even sample of the colours inside a mask, `[N, 3]` Lab float64."""
    pixels = image[inside]
    return to_lab(pixels[None, :: max(1, len(pixels) // _SAMPLES)])[0].astype(np.float64)


def _spread(pixels: np.ndarray) -> np.ndarray:
    """Standard deviation of each channel; the offset keeps a flat face from dividing by zero."""
    return pixels.std(0) + 1e-3


def _monge(face: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Symmetric map `[3, 3]` between the covariances of two samples, with bounded gains."""
    # The small multiple of the identity keeps the covariance of a flat face invertible.
    a, b = (np.cov(pixels.T) + 1e-3 * np.eye(3) for pixels in (face, goal))
    root = _power(a, 0.5)
    inverse = _power(a, -0.5)
    gains, axes = np.linalg.eigh(inverse @ _power(root @ b @ root, 0.5) @ inverse)
    return axes @ np.diag(np.clip(gains, *_GAIN_LIMITS)) @ axes.T


def _power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """Power of a symmetric positive definite matrix."""
    values, axes = np.linalg.eigh(matrix)
    return axes @ np.diag(np.maximum(values, 1e-9) ** exponent) @ axes.T


def _fit_quantiles(face: np.ndarray, goal: np.ndarray, rotations: np.ndarray) -> QuantileTransfer:
    """Fits each rotation to the colours that the rotations before it lead to."""
    before, after = [], []
    for rotation in rotations:
        turned, turned_goal = face @ rotation, goal @ rotation
        before.append(np.quantile(turned, _QUANTILES, axis=0).T)
        after.append(np.quantile(turned_goal, _QUANTILES, axis=0).T)
        face = _along_axes(turned, before[-1], after[-1]) @ rotation.T
    return QuantileTransfer(rotations, np.array(before), np.array(after))


def _along_axes(values: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Moves each channel as its quantiles move; values beyond the outermost move like these."""
    moved = [
        values[..., i] + np.interp(values[..., i], before[i], after[i] - before[i])
        for i in range(3)
    ]
    return np.stack(moved, -1)


@functools.cache
def _rotations() -> np.ndarray:
    """Axes of Lab, then random ones, the same at every call; `[_ROTATIONS, 3, 3]`."""
    random = np.random.default_rng(0)
    turned = [np.linalg.qr(random.normal(size=(3, 3)))[0] for _ in range(_ROTATIONS - 1)]
    return np.stack([np.eye(3), *turned])
