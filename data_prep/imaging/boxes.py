"""Axis-aligned boxes `[left, top, right, bottom]` in frame pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Share of overlap from which two boxes are of one face.
SAME_FACE = 0.3


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes `[4]`."""
    size = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = float(np.prod(np.maximum(size, 0)))
    union = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - both
    return both / union if union > 0 else 0.0


def same_face(box: np.ndarray, others: Sequence[np.ndarray]) -> int | None:
    """Which of other boxes is of the same face as a box, by overlap; None if none is."""
    shares = [overlap(box, other) for other in others]
    best = int(np.argmax(shares)) if shares else None
    return None if best is None or shares[best] < SAME_FACE else best


def mesh_box(points: np.ndarray) -> np.ndarray:
    """The box around a mesh `[478, 2]`: `[4]` float32."""
    return np.concatenate([points.min(0), points.max(0)]).astype(np.float32)
