"""What a converted video shows: the result, its mask, or both beside what they were made of."""

from __future__ import annotations

import enum

import numpy as np

from data_prep.records import Frame

# From 8 to 16 bits: 255 becomes 65535.
_DEEPER = 257


class View(enum.StrEnum):
    """What is seen.

    RESULT is the swapped video. SIDE_BY_SIDE shows target, result and mask. MASK shows where
    the target is replaced, white where it is wholly.
    """

    RESULT = "result"
    SIDE_BY_SIDE = "side_by_side"
    MASK = "mask"

    @property
    def columns(self) -> int:
        """How many frames it is wide."""
        return 3 if self is View.SIDE_BY_SIDE else 1


def show(view: View, frame: Frame, result: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A frame of a view.

    Args:
      view: which.
      frame: of the target.
      result: `[H, W, 3]` uint8, what it became.
      alpha: `[H, W]` float32 in 0..1, where the new face is.

    Returns:
      `[H, columns * W, 3]` uint8, or uint16 if the frame is deep.
    """
    target, mask = frame.image, _grey(alpha)
    if frame.deep is not None:
        target, result = frame.deep, deepen(frame, result)
        mask = mask.astype(np.uint16) * _DEEPER
    if view is View.RESULT:
        return result
    return mask if view is View.MASK else np.hstack([target, result, mask])


def _grey(alpha: np.ndarray) -> np.ndarray:
    return np.repeat(np.round(alpha * 255).astype(np.uint8)[..., None], 3, -1)


def deepen(frame: Frame, result: np.ndarray) -> np.ndarray:
    """A result with what lies below the 8 bits of its frame: `[H, W, 3]` uint16.

    What was changed is changed likewise; what was not keeps every bit.
    """
    assert frame.deep is not None
    change = result.astype(np.int32) - frame.image
    return np.clip(frame.deep + _DEEPER * change, 0, 65535).astype(np.uint16)
