"""Axis-aligned boxes `[left, top, right, bottom]` in frame pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Overlap from which on two boxes show the same face.
SAME_FACE = 0.3


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Computes the intersection over union of two boxes `[4]`, 0 to 1."""
    size = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = float(np.prod(np.maximum(size, 0)))
    union = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - both
    return both / union if union > 0 else 0.0


def match_box(box: np.ndarray, others: Sequence[np.ndarray]) -> int | None:
    """Returns the index of the box that overlaps most; None if none shows the same face."""
    overlaps = [overlap(box, other) for other in others]
    best = int(np.argmax(overlaps)) if overlaps else None
    return None if best is None or overlaps[best] < SAME_FACE else best


def mesh_box(points: np.ndarray) -> np.ndarray:
    """Returns the box around the points `[N, 2]` of a mesh: `[4]` float32."""
    return np.concatenate([points.min(0), points.max(0)]).astype(np.float32)
