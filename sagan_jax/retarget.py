"""What one person's eyes and mouth do, in the places of another's.

A sketch of the target's features (`sight.py`) has their size and lies where they do; drawn after
it, the source would have the target's eyes and mouth. So they are brought to where the source's
usually are, and to their width: what is told is how far they are open, not whose they are. Usual is
the median over the footage that was trained on, since smiles and turned heads move them; over the
clip it would be as good, but for one that shows nothing else. `demo64`, as A and as B: identity
transfer 0.71 and 0.66 without, 0.74 and 0.69 with it, and mouth and eyes open as far.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from data_prep.masks import INNER_LIPS, IRISES, LEFT_EYE, RIGHT_EYE

_FEATURES = ((*LEFT_EYE, *IRISES[0]), (*RIGHT_EYE, *IRISES[1]), INNER_LIPS)
_CORNERS = np.array([(33, 133), (362, 263), (78, 308)])


class Places(NamedTuple):
    """Where the features usually are, medians of `places`.

    Attributes:
      replaced: `[3, 3]`, of whom is replaced.
      rendered: `[3, 3]`, of whom is rendered.
    """

    replaced: np.ndarray
    rendered: np.ndarray


def places(landmarks: np.ndarray) -> np.ndarray:
    """Where eyes and mouth are.

    Args:
      landmarks: `[..., 478, 2]` crop pixels.

    Returns:
      `[..., 3, 3]`: of the left eye, the right eye and the mouth x and y of the middle between the
      corners, and the distance of these; crop pixels.
    """
    corners = landmarks[..., _CORNERS, :]
    width = np.linalg.norm(corners[..., 1, :] - corners[..., 0, :], axis=-1, keepdims=True)
    return np.concatenate([corners.mean(-2), width], -1)


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
    for feature, own, other in zip(_FEATURES, *usual, strict=True):
        points = landmarks[list(feature)] - own[:2]
        moved[list(feature)] = other[:2] + points * (other[2] / own[2])
    return moved
