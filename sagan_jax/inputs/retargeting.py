"""What one person's eyes and mouth do, in the places of another's.

A sketch of the target's features (`sight.py`) has their size and lies where they do; drawn after
it, the source would have the target's eyes and mouth. So they are brought to where the source's
usually are, and to their width: what is told is how far they are open, not whose they are. Usual is
the median over the footage that was trained on, since smiles move them; over the clip it would be
as good, but for one that shows nothing else. `demo64`, as A and as B: identity transfer 0.71 and
0.66 without, 0.74 and 0.69 with it, and mouth and eyes open as far.

A turned head moves the mouth as well, and one person's camera may stand lower than the other's: of
the demo's two people one looks up by 7 degrees and the other down by 2. So what is compared is
where the mouth would be if both looked straight ahead.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from data_prep.imaging import similarity
from data_prep.mesh.topology import EYE_CORNERS, INNER_LIPS, IRISES, LEFT_EYE, RIGHT_EYE

_FEATURES = ((*LEFT_EYE, *IRISES[0]), (*RIGHT_EYE, *IRISES[1]), INNER_LIPS)
_CORNERS = np.array([*EYE_CORNERS, (78, 308)])
# The mouth stands out before the eyes: crop pixels by which it moves across and down for a degree
# of yaw and of pitch. Within the footage of two people 0.51 and 0.37 are seen.
_MOUTH_A_DEGREE = 0.4


class Places(NamedTuple):
    """Where the features usually are, medians of `places`.

    Attributes:
      replaced: `[3, 3]`, of whom is replaced.
      rendered: `[3, 3]`, of whom is rendered.
    """

    replaced: np.ndarray
    rendered: np.ndarray


def places(landmarks: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Where eyes and mouth would be if the head looked straight ahead.

    Args:
      landmarks: `[..., 478, 2]` crop pixels.
      pose: `[..., 2]` yaw and pitch in degrees.

    Returns:
      `[..., 3, 3]`: of the left eye, the right eye and the mouth x and y of the middle between the
      corners, and the distance of these; crop pixels.
    """
    corners = landmarks[..., _CORNERS, :]
    width = np.linalg.norm(corners[..., 1, :] - corners[..., 0, :], axis=-1, keepdims=True)
    middle = corners.mean(-2)
    middle[..., 2, :] -= np.float32(_MOUTH_A_DEGREE) * pose
    return np.concatenate([middle, width], -1)


def moves(usual: Places) -> np.ndarray:
    """The similarities by which the left eye, the right eye and the mouth are brought from where
    those of whom is replaced are to where those of whom is rendered are.

    Args:
      usual: of both.

    Returns:
      `[3, 2, 3]`, crop pixels to crop pixels; none of them turns.
    """
    scale = usual.rendered[:, 2:] / usual.replaced[:, 2:]
    shift = usual.rendered[:, :2] - scale * usual.replaced[:, :2]
    return np.concatenate([scale[..., None] * np.eye(2), shift[..., None]], -1)


def retargeted(landmarks: np.ndarray, usual: Places | None) -> np.ndarray:
    """Landmarks of whom is replaced, eyes and mouth where those of whom is rendered are.

    Args:
      landmarks: `[478, 2]` crop pixels.
      usual: of both; None leaves all where it is.

    Returns:
      Like `landmarks`.
    """
    if usual is None:
        return landmarks
    moved = landmarks.copy()
    for feature, move in zip(_FEATURES, moves(usual), strict=True):
        moved[list(feature)] = similarity.apply(move, landmarks[list(feature)])
    return moved
