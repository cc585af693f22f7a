"""Binary masks of the face, the eyes and the mouth from the face mesh.

The face is the mesh's hull: jaw, cheeks and the forehead up to where the mesh ends, a little
below the hairline. Hair that falls over the forehead is cut out by its colour.
"""

from __future__ import annotations

import cv2
import numpy as np

# Contours of the MediaPipe face mesh, in order around the shape.
FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
LIPS = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
)  # fmt: skip
LEFT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
RIGHT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)

_BROWS = (70, 105, 107, 336, 334, 300)
_CHEEKS_AND_NOSE = (50, 205, 425, 280, 197)

# Hair is told from skin by its distance from the colour of the cheeks, in standard
# deviations. The floor, in Lab units, is for evenly lit skin; light is allowed to vary more
# than colour, but a fringe is 40 and more darker than a forehead.
_HAIR_DISTANCE = 3.0
_SKIN_SPREAD = np.array([9.0, 5.0, 5.0], np.float32)
# Of the side: the edge, half hair and half skin, would stay as a line on the forehead.
_HAIR_EDGE = 0.02

# Lids and the corners of the eye matter as much as the eyeball.
_EYE_MARGIN = 0.02
_SUBPIXEL_BITS = 4


def face_mask(landmarks: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Forehead to chin: the convex hull of the mesh, without the hair over the forehead.

    The hull and not the oval itself: at a large yaw the nose stands out beyond the cheek.

    Args:
      landmarks: `[478, 2]` crop pixels.
      image: `[size, size, 3]` uint8 RGB, the crop.

    Returns:
      `[size, size, 1]` uint8, 0 or 255.
    """
    hull = _fill([cv2.convexHull(landmarks.astype(np.float32))[:, 0]], image.shape[0])
    return np.where(_hair(landmarks, image)[..., None], np.uint8(0), hull)


def eyes_mask(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Both eyes with their lids.

    Args:
      landmarks: `[478, 2]` crop pixels.
      size: side of the crop, pixels.

    Returns:
      `[size, size, 1]` uint8, 0 or 255.
    """
    eyes = _fill([landmarks[list(LEFT_EYE)], landmarks[list(RIGHT_EYE)]], size)
    return _dilate(eyes, _EYE_MARGIN * size)


def mouth_mask(landmarks: np.ndarray, size: int) -> np.ndarray:
    """The mouth within the outer edge of the lips; as `eyes_mask`."""
    return _fill([landmarks[list(LIPS)]], size)


def all_masks(landmarks: np.ndarray, image: np.ndarray) -> dict[str, np.ndarray]:
    """The three masks by name, as `AlignedFace.masks` holds them; arguments of `face_mask`."""
    size = image.shape[0]
    return {
        "face": face_mask(landmarks, image),
        "eyes": eyes_mask(landmarks, size),
        "mouth": mouth_mask(landmarks, size),
    }


def _hair(landmarks: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Where, above the brows, the colour is not that of the cheeks and nose: `[size, size]`."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
    skin_at = _fill([landmarks[list(_CHEEKS_AND_NOSE)]], image.shape[0])[..., 0] > 0
    if not skin_at.any():
        return skin_at
    skin = lab[skin_at]
    spread = np.maximum(skin.std(0), _SKIN_SPREAD)
    distance = np.linalg.norm((lab - skin.mean(0)) / spread, axis=-1)
    far = cv2.GaussianBlur(distance, (0, 0), 0.008 * image.shape[0]) > _HAIR_DISTANCE
    hair = far & (_forehead(landmarks, image.shape[0]) > 0)
    return _dilate(hair.astype(np.uint8), _HAIR_EDGE * image.shape[0])[..., 0] > 0


def _forehead(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Everything of the crop above the brows, a brow's height away from them."""
    brows = landmarks[list(_BROWS)]
    up = landmarks[10] - landmarks[168]
    line = brows + 0.18 * up
    return _fill([np.concatenate([line, line[::-1] + 2 * up])], size)[..., 0]


def _fill(polygons: list[np.ndarray], size: int) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    for polygon in polygons:
        points = np.round(polygon * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        cv2.fillPoly(mask, [points], 255, shift=_SUBPIXEL_BITS)
    return mask[..., None]


def _dilate(mask: np.ndarray, radius: float) -> np.ndarray:
    width = 2 * round(radius) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    return cv2.dilate(mask, kernel)[..., None]
