"""What "good" means, in numbers: one pure function a figure.

Most figures are the mean of something measured in every frame; those functions return it for
each frame, so that it can be drawn over time and its uncertainty be told (`bootstrap.py`).
"""

from __future__ import annotations

import cv2
import numpy as np

from data_prep.imaging import similarity
from data_prep.mesh.topology import OUTER_CORNERS


def centroid(embeddings: np.ndarray) -> np.ndarray:
    """The direction of a person: mean of unit embeddings `[N, D]`, of unit length, `[D]`."""
    mean = embeddings.mean(0)
    return mean / np.linalg.norm(mean)


def identity_transfer(swapped: np.ndarray, target: np.ndarray, ceiling: np.ndarray) -> float:
    """How far the swap went from the target person to the source person.

    Args:
      swapped: cosine with the source of each swapped frame, `[N]`.
      target: that of the target's own frames, `[M]`.
      ceiling: that of held-out frames of the source, `[K]`.

    Returns:
      0 for no swap, 1 where the swap is as like the source as the source itself.
    """
    none = target.mean()
    return float((swapped.mean() - none) / (ceiling.mean() - none))


def source_wins(to_source: np.ndarray, to_target: np.ndarray) -> float:
    """Share of swapped frames nearer to the source than to the target, 0..1, higher is better.

    Args:
      to_source: cosine of each frame with the source, `[N]`.
      to_target: likewise with the target.
    """
    return float(np.mean(to_source > to_target))


def retrieved(swapped: np.ndarray, gallery: np.ndarray, is_source: np.ndarray) -> np.ndarray:
    """Whether the picture of the gallery that is nearest to a frame shows the source.

    Args:
      swapped: `[N, D]` unit embeddings.
      gallery: `[G, D]`, of pictures of several people.
      is_source: `[G]` bool.

    Returns:
      `[N]` float64, 0 or 1; the mean is the top-1 retrieval, higher is better.
    """
    return is_source[(swapped @ gallery.T).argmax(1)].astype(np.float64)


def mesh_distances(swapped: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Distance of the face meshes after the best similarity, % of the eye distance.

    The eye distance is that of the outer corners in the target. 0 is best; two people with
    the same expression differ by some 2 % because their faces do.

    Args:
      swapped: `[N, 478, 2]` pixels.
      target: likewise, the same frames.

    Returns:
      `[N]`.
    """
    return np.array([_mesh_distance(a, b) for a, b in zip(swapped, target, strict=True)])


def mean_differences(swapped: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean absolute difference in each frame; 0 is best.

    Args:
      swapped: `[N, C]`: yaw, pitch and roll in degrees, or blendshapes in 0..1.
      target: likewise, the same frames.

    Returns:
      `[N]`, in the unit of the input.
    """
    return np.abs(swapped - target).mean(1)


def correlation(swapped: np.ndarray, target: np.ndarray) -> float:
    """Correlation over time, -1..1, higher is better; not a number where nothing moves.

    Args:
      swapped: `[N]` or `[N, C]`, whose columns count by how much they vary.
      target: likewise.
    """
    a, b = (values - values.mean(0) for values in (swapped, target))
    spread = np.sqrt(np.square(a).sum() * np.square(b).sum())
    return float((a * b).sum() / spread) if spread > 0 else float("nan")


def gain(swapped: np.ndarray, target: np.ndarray) -> float:
    """How far one goes for what the other does: slope of the regression, 1 is as far.

    Args:
      swapped: `[N]`.
      target: `[N]`; not a number where it stands still.
    """
    a, b = swapped - swapped.mean(), target - target.mean()
    spread = np.square(b).sum()
    return float((a * b).sum() / spread) if spread > 0 else float("nan")


def neighbours(frame_index: np.ndarray, track_id: np.ndarray) -> np.ndarray:
    """Which three following entries are neighbouring frames of one track, `[N - 2]` bool.

    Args:
      frame_index: `[N]`, increasing.
      track_id: `[N]`, of the target: the jump of a scene cut is no restlessness.
    """
    return (frame_index[2:] - frame_index[:-2] == 2) & (track_id[2:] == track_id[:-2])


def restlessness(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Second differences over time: how far each moment is off the line of its neighbours.

    Args:
      values: `[N, 478, 2]`, points in pixels, or `[N]`, brightness.
      where: `[N - 2]` bool, from `neighbours`.

    Returns:
      `[M]`, their length, for points the mean of all.
    """
    second = (values[2:] - 2 * values[1:-1] + values[:-2])[where]
    if values.ndim == 1:
        return np.abs(second)
    return np.linalg.norm(second, axis=-1).mean(-1)


def ratio(swapped: np.ndarray, target: np.ndarray) -> float:
    """Mean over mean; 1 is like the target. Not a number where the target has none of it."""
    below = target.mean() if len(target) else 0.0
    return float(swapped.mean() / below) if below > 0 else float("nan")


def squared_error(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    """Mean squared difference of two uint8 images `[H, W, 3]` where `[H, W]` is true."""
    total = cv2.norm(a, b, cv2.NORM_L2SQR, where.astype(np.uint8))
    return float(total / (a.shape[-1] * np.count_nonzero(where)))


def psnr(errors: np.ndarray) -> float:
    """Peak signal-to-noise ratio from squared errors of 8-bit values, dB; infinite for 0."""
    error = np.mean(errors)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def _mesh_distance(swapped: np.ndarray, target: np.ndarray) -> float:
    fitted = similarity.apply(similarity.fit_similarity(swapped, target), swapped)
    eyes = np.linalg.norm(target[OUTER_CORNERS[0]] - target[OUTER_CORNERS[1]])
    return float(100 * np.linalg.norm(fitted - target, axis=-1).mean() / eyes)
