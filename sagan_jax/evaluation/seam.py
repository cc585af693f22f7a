"""Strength of the visible seam along the edge of a swapped face."""

from __future__ import annotations

import cv2
import numpy as np

# Width of a ring along the edge of the mask, and the distance from the edge up to which rings are
# searched, as shares of the side of the crop. The search is needed because a converter may place
# the edge some pixels inside or outside the mask.
_RING, _REACH = 1 / 128, 1 / 16
# Rings are compared with the second next one: wherever a hard edge runs, only the ring between
# the two contains pixels of both sides.
_ACROSS = 2
_SECTORS = 24
# A piece of a ring with fewer pixels than this is ignored.
_MIN_PIXELS = 8


def seam_strength(before: np.ndarray, after: np.ndarray, mask: np.ndarray) -> float:
    """Measures the largest step that a swap adds along the edge of the mask.

    The change of colour between both crops is averaged over pieces of narrow rings along the edge.
    Noise and texture average out; what remains is a face that as a whole is lighter than its
    surroundings, or of another colour. The largest jump within 1.6 % of the crop is the seam. An
    edge that the target has too, such as a jaw in front of a background, is not counted.

    Args:
      before: `[S, S, 3]` uint8, crop of the target.
      after: `[S, S, 3]` uint8, crop of the swapped frame.
      mask: `[S, S, 1]` uint8, 0 or 255, the face.

    Returns:
      Root mean square over the pieces in grey levels of 0..255; 0 is best, and means no change.
    """
    # Pieces are numbered ring by ring; pixels far from the edge belong to none.
    ring, reach = _rings(mask)
    used = (ring >= 0) & (ring < 2 * reach)
    piece = ring[used] * _SECTORS + _sector(mask)[used]
    # Mean change of each piece; too small pieces become NaN, so that no jump is computed there.
    counts = np.bincount(piece, minlength=2 * reach * _SECTORS)
    change = (after.astype(np.float64) - before)[used]
    sums = np.stack([np.bincount(piece, channel, len(counts)) for channel in change.T], -1)
    valid = np.where(counts >= _MIN_PIXELS, 1.0, np.nan)[:, None]
    means = valid * sums / np.maximum(counts, 1)[:, None]
    means = means.reshape(2 * reach, _SECTORS, 3)
    # A jump is the difference between two rings in one sector. Sectors without pixels do not count.
    jumps = np.square(means[_ACROSS:] - means[:-_ACROSS]).mean(-1)
    known = np.isfinite(jumps)
    strength = np.where(known, jumps, 0).sum(1) / np.maximum(known.sum(1), 1)
    return float(np.sqrt(strength.max()))


def _rings(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Number of the ring of each pixel, `[S, S]` int, and the number of the first one inside."""
    side = mask.shape[0]
    width = _RING * side
    inside, outside = (
        cv2.distanceTransform(part, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        for part in (mask[..., 0], cv2.bitwise_not(mask[..., 0]))
    )
    # Distances are shifted by half a pixel on either side, so that no ring crosses the edge.
    depth = inside - outside - 0.5 * np.sign(inside - outside)
    reach = round(_REACH / _RING)
    return np.floor(depth / width).astype(int) + reach, reach


def _sector(mask: np.ndarray) -> np.ndarray:
    """Number of the sector around the centre of the mask in which each pixel lies, `[S, S]`."""
    rows, columns = np.nonzero(mask[..., 0])
    centre = (rows.mean(), columns.mean()) if len(rows) else (0.0, 0.0)
    y, x = (np.arange(mask.shape[0]) - offset for offset in centre)
    turn = np.arctan2(y[:, None], x[None, :]) / (2 * np.pi) % 1
    return np.minimum((turn * _SECTORS).astype(int), _SECTORS - 1)
