"""Opacity of a generated face at each pixel of its crop."""

from __future__ import annotations

import cv2
import numpy as np

from data_prep.mesh import crop_alignment
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.rendering.render_settings import Edge

# The learned mask is blurred. Only its confident part is used: below, the background of the other
# person's footage would shine through along the jaw.
LEARNED_ZERO_BELOW, _LEARNED_ONE_ABOVE = 0.3, 0.7

# Width of the dissolve per pixel by which the scene's face extends beyond the generated one; the
# width in `Edge.dissolve` is the upper limit.
_DISSOLVE_PER_GAP = 4.0


def face_alpha(
    face_mask: np.ndarray, learned: np.ndarray, crop_window: CropWindow, edge: Edge = Edge()
) -> np.ndarray:
    """Opacity of the generated face over the target's crop.

    Product of the feathered mask of the target's face and the confident part of the learned mask,
    faded out where the learned mask ends first.

    Args:
      face_mask: `[S, S, 1]` uint8, 0 or 255.
      learned: `[R, R, 1]` float32, 0..1.
      crop_window: part of the crop that the generator renders.
      edge: where the face ends.

    Returns:
      `[S, S]` float32, 0..1; 0 on the border of the crop.
    """
    size, face = face_mask.shape[0], face_mask[..., 0]
    height = crop_alignment.FACE_HEIGHT * size
    mask = _grown(face, edge.grow * height).astype(np.float32) / 255
    # OpenCV refuses a deviation of 0.
    feathered = cv2.GaussianBlur(mask, (0, 0), max(edge.feather * height, 1e-3))
    generated = crop_window.back(learned, size)
    confident = (generated - LEARNED_ZERO_BELOW) / (_LEARNED_ONE_ABOVE - LEARNED_ZERO_BELOW)
    alpha = feathered * np.clip(confident, 0, 1)
    if edge.dissolve > 0:
        # The dissolve is smooth, so half the resolution is enough.
        dissolve = _dissolved(
            face[::2, ::2] > 0, generated[::2, ::2] >= 0.5, edge.dissolve * height / 2
        )
        alpha = alpha * cv2.resize(dissolve, (size, size), interpolation=cv2.INTER_LINEAR)
    # Warped to the frame, the crop is continued beyond its border; nothing must be visible there.
    alpha[[0, -1]] = alpha[:, [0, -1]] = 0
    return alpha


def composite(
    crop: np.ndarray,
    face_mask: np.ndarray,
    rgb: np.ndarray,
    learned: np.ndarray,
    crop_window: CropWindow,
) -> np.ndarray:
    """Composites a generated face over its crop without matching colours.

    Args:
      crop: `[S, S, 3]` uint8.
      face_mask: `[S, S, 1]` uint8, 0 or 255.
      rgb: `[R, R, 3]` float32, 0..1.
      learned: `[R, R, 1]` float32, 0..1.
      crop_window: part of the crop that the generator rendered.

    Returns:
      `[S, S, 3]` uint8.
    """
    alpha = face_alpha(face_mask, learned, crop_window)[..., None]
    return to_uint8(alpha * crop_window.back(rgb, len(crop)) + (1 - alpha) * crop / 255)


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Rounds an image in 0..1 to uint8."""
    return np.clip(np.round(255 * image), 0, 255).astype(np.uint8)


def _dissolved(face: np.ndarray, generated: np.ndarray, width: float) -> np.ndarray:
    """Smooth step from 0 where the generated face ends before the scene's; 1 where both end.

    Args:
      face: `[S, S]` bool, face of the scene.
      generated: `[S, S]` bool, generated face; holes in it count as generated.
      width: pixels to the value 1; fewer where the scene's face extends only a little further.

    Returns:
      `[S, S]` float32, 0..1.
    """
    # A border of zeros makes the edge of the crop an edge of the face, and connects everything
    # outside the face for the flood fill, which leaves the holes.
    whole, part = (
        cv2.copyMakeBorder(region.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
        for region in (face, face & generated)
    )
    cv2.floodFill(part, None, (0, 0), 2)
    to_face_end, to_generated_end = (
        cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
        for region in (whole, part != 2)
    )
    # Around a hole in the face the scene's face ends nearer than the generated one: no gap.
    gap = cv2.GaussianBlur(np.maximum(to_face_end - to_generated_end, 0), (0, 0), width / 6)
    share = np.minimum(
        (to_generated_end + 0.5) / (np.minimum(_DISSOLVE_PER_GAP * gap, width) + 0.5), 1
    )
    return share * share * (3 - 2 * share)  # the cubic smooth step has no kinks


def _grown(mask: np.ndarray, radius: float) -> np.ndarray:
    """Mask dilated by a radius in pixels, or eroded by a negative one."""
    width = 2 * round(abs(radius)) + 1
    if width == 1:
        return mask
    ball = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    return cv2.dilate(mask, ball) if radius > 0 else cv2.erode(mask, ball)
