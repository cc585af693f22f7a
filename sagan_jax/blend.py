"""A swapped crop into its frame."""

from __future__ import annotations

import cv2
import numpy as np

from data_prep import alignment

# Of the side of the crop. Every share more shows more of the replaced person's jaw and brow:
# without erosion, and with 0.010 instead of 0.018, identity transfer rises by 0.02 to 0.03.
_FEATHER = 0.010
# The learned mask is a blurred one; only what it is sure of is shown, or the background of
# the other person's footage shines through along the jaw.
_LEARNED_FROM, _LEARNED_TO = 0.5, 0.9
# Of the side of the crop: details finer than the generator's pixels, which it cannot draw.
# Twice as coarse costs 0.03 to 0.05 of identity transfer.
_DETAIL = 0.006
_MAX_SHARPENING = 5.0


def alpha_of(face_mask: np.ndarray, learned: np.ndarray) -> np.ndarray:
    """How much of the swapped crop is shown.

    The prepared mask of the face, feathered, times what is sure of the learned one.

    Args:
      face_mask: `[S, S, 1]` uint8, 0 or 255.
      learned: `[R, R, 1]` float32, 0..1.

    Returns:
      `[S, S]` float32, 0..1; 0 on the border of the crop.
    """
    size = face_mask.shape[0]
    feathered = cv2.GaussianBlur(
        face_mask[..., 0].astype(np.float32) / 255, (0, 0), _FEATHER * size
    )
    sure = (enlarge(learned[..., 0], size) - _LEARNED_FROM) / (_LEARNED_TO - _LEARNED_FROM)
    alpha = feathered * np.clip(sure, 0, 1)
    alpha[[0, -1]] = alpha[:, [0, -1]] = 0
    return alpha


def enlarge(image: np.ndarray, size: int) -> np.ndarray:
    """A rendered `[R, R(, 3)]` float32 at the size of the crop, within 0..1."""
    return np.clip(cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC), 0, 1)


def sharpening_of(swapped: np.ndarray, scene: np.ndarray, mask: np.ndarray) -> float:
    """Amount of unsharp masking that makes a swapped face as crisp as the scene's.

    Compares the mean absolute Laplacian of the luma inside the mask.

    Args:
      swapped: `[S, S, 3]` float32 in 0..1.
      scene: likewise.
      mask: `[S, S]` float32, 0..1.

    Returns:
      0 (crisp enough) to 5.
    """
    swapped_luma, scene_luma = (cv2.cvtColor(i, cv2.COLOR_RGB2GRAY) for i in (swapped, scene))
    detail = _detail(swapped_luma)

    def energy(luma: np.ndarray) -> float:
        return float((np.abs(cv2.Laplacian(luma, cv2.CV_32F)) * mask).sum())

    missing = energy(scene_luma) - energy(swapped_luma)
    return float(np.clip(missing / max(energy(detail), 1e-6), 0, _MAX_SHARPENING))


def sharpen(image: np.ndarray, amount: float) -> np.ndarray:
    """Unsharp masking of `[S, S, 3]` float32 in 0..1."""
    return np.clip(image + amount * _detail(image), 0, 1)


def paste(
    frame: np.ndarray, crop: np.ndarray, alpha: np.ndarray, transform: np.ndarray
) -> np.ndarray:
    """The frame with a crop laid into it; pixels where alpha is 0 stay bit for bit.

    Args:
      frame: `[height, width, 3]` uint8.
      crop: `[S, S, 3]` float32 in 0..1.
      alpha: `[S, S]` float32, 0..1.
      transform: `[2, 3]` frame to crop pixels.

    Returns:
      A new `[height, width, 3]` uint8.
    """
    left, top, right, bottom = _covered(frame, crop.shape[0], transform)
    result = frame.copy()
    if left >= right or top >= bottom:
        return result
    # From pixels of the covered part to pixels of the crop.
    local = transform.astype(np.float64).copy()
    local[:, 2] += transform[:, :2] @ [left, top]
    layers = np.dstack([crop * 255, alpha])
    laid = cv2.warpAffine(
        layers, local, (right - left, bottom - top), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    part, share = result[top:bottom, left:right], laid[..., 3:]
    mixed = part + share * (laid[..., :3] - part)
    part[:] = np.where(share > 0, np.clip(np.round(mixed), 0, 255).astype(np.uint8), part)
    return result


def _detail(image: np.ndarray) -> np.ndarray:
    return image - cv2.GaussianBlur(image, (0, 0), _DETAIL * image.shape[0])


def _covered(frame: np.ndarray, size: int, transform: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the part of the frame under the crop."""
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], np.float64) - 0.5
    points = alignment.apply(alignment.inverse(transform.astype(np.float64)), corners)
    low = np.maximum(np.floor(points.min(0)), 0).astype(int)
    high = np.minimum(np.ceil(points.max(0)) + 1, frame.shape[1::-1]).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
