"""How visible the edge of the new face is."""

from __future__ import annotations

import cv2
import numpy as np

# Of the side of the crop: width of a ring along the edge, and how far from it a step is looked
# for; a converter may draw the edge some pixels further in or out than the mask has it.
_RING, _REACH = 1 / 128, 1 / 16
# Rings from one side of a step to the other: wherever a hard edge runs, only the one between
# them has pixels of both sides.
_ACROSS = 2
_SECTORS = 24
# Pixels in a piece of a ring: fewer say nothing.
_LEAST = 8


def step(before: np.ndarray, after: np.ndarray, mask: np.ndarray) -> float:
    """The steepest step, along the edge of the mask, of what was changed.

    The change of colour is averaged over pieces of narrow rings along the edge, so that noise
    and texture cancel and what is left is the face as a whole being lighter or of another colour
    than its surroundings. The largest jump within 1.6 % of the crop is the seam. What
    was an edge before, as the jaw is before a background, is no seam.

    Args:
      before: `[S, S, 3]` uint8, crop of the target.
      after: likewise, of the swapped frame.
      mask: `[S, S, 1]` uint8, 0 or 255, the face.

    Returns:
      Grey levels of 0..255, the root mean square over the pieces; 0 is best, and no change.
    """
    side = mask.shape[0]
    width = _RING * side
    inside, outside = (
        cv2.distanceTransform(part, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        for part in (mask[..., 0], cv2.bitwise_not(mask[..., 0]))
    )
    # Half a pixel to either side of the edge: no ring has both.
    depth = inside - outside - 0.5 * np.sign(inside - outside)
    reach = round(_REACH / _RING)
    ring = np.floor(depth / width).astype(int) + reach
    used = (ring >= 0) & (ring < 2 * reach)
    piece = ring[used] * _SECTORS + _sector(mask)[used]
    counts = np.bincount(piece, minlength=2 * reach * _SECTORS)
    change = (after.astype(np.float64) - before)[used]
    sums = np.stack([np.bincount(piece, one, len(counts)) for one in change.T], -1)
    means = np.where(counts >= _LEAST, 1.0, np.nan)[:, None] * sums / np.maximum(counts, 1)[:, None]
    means = means.reshape(2 * reach, _SECTORS, 3)
    jumps = np.square(means[_ACROSS:] - means[:-_ACROSS]).mean(-1)
    known = np.isfinite(jumps)
    strength = np.where(known, jumps, 0).sum(1) / np.maximum(known.sum(1), 1)
    return float(np.sqrt(strength.max()))


def _sector(mask: np.ndarray) -> np.ndarray:
    """In which direction from the middle of the mask each pixel lies, `[S, S]`."""
    rows, columns = np.nonzero(mask[..., 0])
    middle = (rows.mean(), columns.mean()) if len(rows) else (0.0, 0.0)
    y, x = (np.arange(mask.shape[0]) - centre for centre in middle)
    turn = np.arctan2(y[:, None], x[None, :]) / (2 * np.pi) % 1
    return np.minimum((turn * _SECTORS).astype(int), _SECTORS - 1)
