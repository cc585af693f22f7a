"""A swapped crop into its frame."""

from __future__ import annotations

import dataclasses
import enum

import cv2
import numpy as np

from data_prep import alignment

# Of the side of the crop. Every share more shows more of the replaced person's jaw and brow:
# without erosion, and with 0.010 instead of 0.018, identity transfer rises by 0.02 to 0.03.
_FEATHER = 0.008
# The learned mask is a blurred one; only what it is sure of is shown, or the background of
# the other person's footage shines through along the jaw.
_LEARNED_FROM, _LEARNED_TO = 0.3, 0.7
# Of the side of the crop: details finer than the generator's pixels, which it cannot draw.
# Twice as coarse costs 0.03 to 0.05 of identity transfer.
_DETAIL = 0.006
_MAX_SHARPENING = 6.0
# Coarser bands than an eighth of the face would carry its colour far beyond its edge.
_MAX_BANDS = 3
# Where less than this is shown, what the bands bring across the edge fades out.
_BAND_FADE = 0.2


class Blend(enum.StrEnum):
    """How the edge between face and scene is hidden.

    ALPHA mixes by the feathered mask. MULTI_BAND mixes coarse details over a wide and fine
    ones over a narrow edge (Burt and Adelson, "A Multiresolution Spline With Application to
    Image Mosaics", 1983). POISSON keeps the gradients of the face and takes the colour of its
    edge from the scene (Perez et al., "Poisson Image Editing", 2003; OpenCV).
    """

    ALPHA = "alpha"
    MULTI_BAND = "multi_band"
    POISSON = "poisson"


@dataclasses.dataclass(frozen=True)
class Patch:
    """A face at the place and the scale it has in its frame.

    Attributes:
      place: rows and columns of the frame; empty where the crop lies outside.
      image: `[h, w, 3]` float32 in 0..1.
      alpha: `[h, w]` float32, 0..1, how much of it is shown.
      detail: radius of details finer than the generator draws, pixels of the frame.
    """

    place: tuple[slice, slice]
    image: np.ndarray
    alpha: np.ndarray
    detail: float


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


def lay(crop: np.ndarray, alpha: np.ndarray, transform: np.ndarray, frame: np.ndarray) -> Patch:
    """A crop brought to its frame.

    Args:
      crop: `[S, S, 3]` float32 in 0..1.
      alpha: `[S, S]` float32, 0..1.
      transform: `[2, 3]` frame to crop pixels.
      frame: `[height, width, 3]`, of which only the size counts.
    """
    left, top, right, bottom = _covered(frame, crop.shape[0], transform)
    place = slice(top, bottom), slice(left, right)
    detail = _DETAIL * crop.shape[0] / float(np.sqrt(np.linalg.det(transform[:, :2])))
    if left >= right or top >= bottom:
        empty = np.zeros((0, 0, 3), np.float32)
        return Patch((slice(0, 0), slice(0, 0)), empty, empty[..., 0], detail)
    # From pixels of the covered part to pixels of the crop.
    local = transform.astype(np.float64).copy()
    local[:, 2] += transform[:, :2] @ [left, top]
    laid = cv2.warpAffine(
        np.dstack([crop, alpha]).astype(np.float32), local, (right - left, bottom - top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )  # fmt: skip
    return Patch(place, laid[..., :3], laid[..., 3], detail)


def sharpening_of(patch: Patch, frame: np.ndarray) -> float:
    """Amount of unsharp masking that makes a swapped face as crisp as the scene's.

    Compares the mean absolute Laplacian of the luma inside the mask, at the scale of the
    frame: in the crop the scene may be enlarged, and then looks softer than it is.

    Args:
      patch: the swapped face.
      frame: `[height, width, 3]` uint8, in which the other face still is.

    Returns:
      0 (crisp enough) to `_MAX_SHARPENING`.
    """
    if not patch.alpha.any():
        return 0.0
    scene = frame[patch.place].astype(np.float32) / 255
    wanted, have, detail = (
        _crispness(image, patch.alpha) for image in (scene, patch.image, _detail(patch))
    )
    return float(np.clip((wanted - have) / max(detail, 1e-6), 0, _MAX_SHARPENING))


def sharpen(patch: Patch, amount: float) -> Patch:
    """Unsharp masking."""
    image = np.clip(patch.image + amount * _detail(patch), 0, 1)
    return dataclasses.replace(patch, image=image)


def composite(frame: np.ndarray, patch: Patch, method: Blend = Blend.ALPHA) -> np.ndarray:
    """The frame with a face laid into it; pixels where alpha is 0 stay bit for bit.

    Args:
      frame: `[height, width, 3]` uint8.
      patch: the face.
      method: how its edge is hidden.

    Returns:
      A new `[height, width, 3]` uint8.
    """
    result = frame.copy()
    if not patch.alpha.any():
        return result
    part, share = result[patch.place], patch.alpha[..., None]
    if method is Blend.MULTI_BAND:
        mixed = _multi_band(part, patch)
    elif method is Blend.POISSON:
        mixed = part + share * (_cloned(part, patch) - part.astype(np.float32))
    else:
        mixed = part + share * (255 * patch.image - part)
    part[:] = np.where(share > 0, np.clip(np.round(mixed), 0, 255).astype(np.uint8), part)
    return result


def _multi_band(part: np.ndarray, patch: Patch) -> np.ndarray:
    """`[h, w, 3]` float32, 0..255: every band of details mixed over an edge of its own width."""
    scene = part.astype(np.float32)
    bands = min(int(np.log2(max(min(patch.alpha.shape), 8))) - 3, _MAX_BANDS)
    # The widest edge has to end within the mask.
    edge = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * 2**bands + 1,) * 2)
    mixed = _splined(255 * patch.image, scene, cv2.erode(patch.alpha, edge), bands)
    shown = np.minimum(patch.alpha / _BAND_FADE, 1.0)[..., None]
    return scene + shown * (mixed - scene)


def _splined(face: np.ndarray, scene: np.ndarray, alpha: np.ndarray, bands: int) -> np.ndarray:
    if bands <= 0:
        return scene + alpha[..., None] * (face - scene)
    coarse_face, coarse_scene = cv2.pyrDown(face), cv2.pyrDown(scene)
    below = _splined(coarse_face, coarse_scene, cv2.pyrDown(alpha), bands - 1)
    size = alpha.shape[1::-1]
    fine_face = face - cv2.pyrUp(coarse_face, dstsize=size)
    fine_scene = scene - cv2.pyrUp(coarse_scene, dstsize=size)
    fine = fine_scene + alpha[..., None] * (fine_face - fine_scene)
    return cv2.pyrUp(below, dstsize=size) + fine


def _cloned(part: np.ndarray, patch: Patch) -> np.ndarray:
    """`[h, w, 3]` float32, 0..255: the face with the colours of the scene along its edge."""
    mask = np.zeros(patch.alpha.shape, np.uint8)
    # The solver needs a border to take colours from.
    mask[1:-1, 1:-1] = (patch.alpha[1:-1, 1:-1] > 0.5) * np.uint8(255)
    if not mask.any():
        return part.astype(np.float32)
    left, top, width, height = cv2.boundingRect(mask)
    centre = (left + width // 2, top + height // 2)
    face = np.clip(np.round(255 * patch.image), 0, 255).astype(np.uint8)
    return cv2.seamlessClone(face, part, mask, centre, cv2.NORMAL_CLONE).astype(np.float32)


def _crispness(image: np.ndarray, mask: np.ndarray) -> float:
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return float((np.abs(cv2.Laplacian(luma, cv2.CV_32F)) * mask).sum())


def _detail(patch: Patch) -> np.ndarray:
    """What a blur by the radius of the detail takes away, `[h, w, 3]`."""
    if not patch.image.size:
        return patch.image
    return patch.image - cv2.GaussianBlur(patch.image, (0, 0), patch.detail)


def _covered(frame: np.ndarray, size: int, transform: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the part of the frame under the crop."""
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], np.float64) - 0.5
    points = alignment.apply(alignment.inverse(transform.astype(np.float64)), corners)
    low = np.maximum(np.floor(points.min(0)), 0).astype(int)
    high = np.minimum(np.ceil(points.max(0)) + 1, frame.shape[1::-1]).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
