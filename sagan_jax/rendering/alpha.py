"""How much of a rendered face shows at each pixel of its crop."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from data_prep.mesh import crop_alignment
from sagan_jax.configs.crop_window import CropWindow

# The learned mask is a blurred one; only what it is sure of is shown, or the background of
# the other person's footage shines through along the jaw.
LEARNED_FROM, _LEARNED_TO = 0.3, 0.7


# Pixels to dissolve over for each by which the face goes on beyond what is drawn of it, up to the
# width that is asked for.
_DISSOLVE_PER_GAP = 4.0


@dataclasses.dataclass(frozen=True)
class Edge:
    """Where the face ends.

    Attributes:
      grow: by how far what is drawn may reach beyond the face it replaces, where it is the larger
        one (negative: stay within); share of the height of the face. With 0.02 identity transfer
        rises by 0.01 to 0.025, with 0.06 by hardly more.
      feather: standard deviation of the blur of the edge, likewise. Wider, more of the replaced
        person's jaw and brow is seen: with 0.013 and no erosion instead of 0.023 and some,
        identity transfer rises by 0.02 to 0.03.
      dissolve: over how much what is drawn fades out where the face of the scene goes on beyond
        it (a forehead under another's fringe, a wider jaw), likewise. There skin meets skin, and
        what is seen is not a wide edge but the outermost pixels drawn, half hair or wall.
    """

    grow: float = 0.02
    feather: float = 0.01
    dissolve: float = 0.08


def alpha_of(
    face_mask: np.ndarray, learned: np.ndarray, crop_window: CropWindow, edge: Edge = Edge()
) -> np.ndarray:
    """How much of the swapped crop is shown.

    The prepared mask of the face, feathered, times what is sure of the learned one, faded out where
    that ends first.

    Args:
      face_mask: `[S, S, 1]` uint8, 0 or 255.
      learned: `[R, R, 1]` float32, 0..1.
      framing: what was learned of the crop.
      edge: where the face ends.

    Returns:
      `[S, S]` float32, 0..1; 0 on the border of the crop.
    """
    size, face = face_mask.shape[0], face_mask[..., 0]
    height = crop_alignment.FACE_HEIGHT * size
    mask = _grown(face, edge.grow * height).astype(np.float32) / 255
    feathered = cv2.GaussianBlur(mask, (0, 0), max(edge.feather * height, 1e-3))
    drawn = crop_window.back(learned, size)
    sure = (drawn - LEARNED_FROM) / (_LEARNED_TO - LEARNED_FROM)
    alpha = feathered * np.clip(sure, 0, 1)
    if edge.dissolve > 0:
        # Every second pixel: it is smooth.
        shown = _dissolved(face[::2, ::2] > 0, drawn[::2, ::2] >= 0.5, edge.dissolve * height / 2)
        alpha = alpha * cv2.resize(shown, (size, size), interpolation=cv2.INTER_LINEAR)
    alpha[[0, -1]] = alpha[:, [0, -1]] = 0
    return alpha


def composite(
    crop: np.ndarray,
    face_mask: np.ndarray,
    rgb: np.ndarray,
    learned: np.ndarray,
    crop_window: CropWindow,
) -> np.ndarray:
    """What was drawn, in its surroundings as it is, without matching colours.

    Args:
      crop: `[S, S, 3]` uint8.
      face_mask: `[S, S, 1]` uint8, 0 or 255.
      rgb: `[R, R, 3]` float32, 0..1.
      learned: `[R, R, 1]` float32, 0..1.
      framing: what was drawn of the crop.

    Returns:
      `[S, S, 3]` uint8.
    """
    alpha = alpha_of(face_mask, learned, crop_window)[..., None]
    return to_bytes(alpha * crop_window.back(rgb, len(crop)) + (1 - alpha) * crop / 255)


def to_bytes(image: np.ndarray) -> np.ndarray:
    """0..1 to uint8."""
    return np.clip(np.round(255 * image), 0, 255).astype(np.uint8)


def _dissolved(face: np.ndarray, drawn: np.ndarray, width: float) -> np.ndarray:
    """0 where what is drawn ends and the face goes on, 1 from so far within; 1 where both end.

    Args:
      face: `[S, S]` bool.
      drawn: likewise. Holes in it count as drawn.
      width: pixels; less where the face does not go on for long.

    Returns:
      `[S, S]` float32.
    """
    whole, part = (
        cv2.copyMakeBorder(one.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
        for one in (face, face & drawn)
    )
    cv2.floodFill(part, None, (0, 0), 2)
    to_end, to_edge = (
        cv2.distanceTransform(one.astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
        for one in (whole, part != 2)
    )
    # Around a hole in the face its end is nearer than that of what is drawn.
    gap = cv2.GaussianBlur(np.maximum(to_end - to_edge, 0), (0, 0), width / 6)
    share = np.minimum((to_edge + 0.5) / (np.minimum(_DISSOLVE_PER_GAP * gap, width) + 0.5), 1)
    return share * share * (3 - 2 * share)  # without kinks


def _grown(mask: np.ndarray, radius: float) -> np.ndarray:
    width = 2 * round(abs(radius)) + 1
    if width == 1:
        return mask
    ball = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    return cv2.dilate(mask, ball) if radius > 0 else cv2.erode(mask, ball)
