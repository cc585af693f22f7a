"""Colours of the swapped face made those of the scene it goes into.

Mean and spread of each CIELAB channel inside the mask (Reinhard et al., "Color Transfer
between Images", 2001), with the change of contrast bounded and steadied over time so that
it cannot flicker.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

# A rendered face that lies outside these needs a better model, not more contrast.
_GAIN_LIMITS = (0.8, 1.25)
_TIME_CONSTANT_S = 0.4


@dataclasses.dataclass(frozen=True)
class ColourTransfer:
    """Lab to Lab: `gain * (lab - mean) + goal`.

    Attributes:
      gain: `[3]`.
      mean: `[3]` of the rendered face.
      goal: `[3]` of the face in the frame.
    """

    gain: np.ndarray
    mean: np.ndarray
    goal: np.ndarray

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Image `[H, W, 3]` float32 in 0..1 with the colours of the scene."""
        lab = (to_lab(rgb) - self.mean) * self.gain + self.goal
        return np.clip(cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2RGB), 0, 1)

    def towards(self, other: ColourTransfer, share: float) -> ColourTransfer:
        """Moved by a share of the way to another transfer."""
        return ColourTransfer(*(
            a + share * (b - a)
            for a, b in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        ))  # fmt: skip


def fit(rendered: np.ndarray, scene: np.ndarray, mask: np.ndarray) -> ColourTransfer:
    """The transfer that makes one face look like the other.

    Args:
      rendered: `[H, W, 3]` float32 in 0..1.
      scene: likewise, the same crop of the frame.
      mask: `[H, W]` weights, 0..1.
    """
    mean, spread = _moments(to_lab(rendered), mask)
    goal, goal_spread = _moments(to_lab(scene), mask)
    gain = np.clip(goal_spread / spread, *_GAIN_LIMITS)
    return ColourTransfer(gain, mean, goal)


class SteadyColour:
    """Smooths the transfer over time; `reset` at a cut."""

    def __init__(self) -> None:
        self._state: ColourTransfer | None = None
        self._timestamp_us = 0

    def reset(self) -> None:
        """Forgets the shot before."""
        self._state = None

    def __call__(self, transfer: ColourTransfer, timestamp_us: int) -> ColourTransfer:
        """The transfer to use for the frame at this time, in order of time."""
        if self._state is None:
            self._state = transfer
        else:
            elapsed = (timestamp_us - self._timestamp_us) * 1e-6
            self._state = self._state.towards(transfer, 1 - np.exp(-elapsed / _TIME_CONSTANT_S))
        self._timestamp_us = timestamp_us
        return self._state


def to_lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB `[H, W, 3]` float32 in 0..1 to CIELAB float32 (L 0..100)."""
    return cv2.cvtColor(np.asarray(rgb, np.float32), cv2.COLOR_RGB2LAB)


def _moments(lab: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    weight = mask[..., None] / max(float(mask.sum()), 1e-6)
    mean = (lab * weight).sum((0, 1))
    return mean, np.sqrt((np.square(lab - mean) * weight).sum((0, 1))) + 1e-3
