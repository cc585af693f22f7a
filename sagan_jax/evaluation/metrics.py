"""Metrics of a swap, one pure function each.

Most metrics are the mean of a value measured in every frame. Their functions return it for each
frame, so that it can be plotted over time and its confidence interval estimated (`bootstrap.py`).
"""

from __future__ import annotations

import cv2
import numpy as np

from data_prep.imaging import similarity
from data_prep.mesh.topology import OUTER_EYE_CORNERS


def centroid(embeddings: np.ndarray) -> np.ndarray:
    """Mean direction of a person's unit embeddings `[N, D]`: `[D]`, of unit length."""
    mean = embeddings.mean(0)
    return mean / np.linalg.norm(mean)


def identity_transfer(swapped: np.ndarray, target: np.ndarray, ceiling: np.ndarray) -> float:
    """Measures how far a swap moved from the target person to the source person.

    Args:
      swapped: `[N]` cosine of each swapped frame with the source.
      target: `[M]` cosine of each of the target's own frames with the source.
      ceiling: `[K]` cosine of held-out frames of the source with the source.

    Returns:
      0 for no swap, 1 where the swap resembles the source as much as the source itself.
    """
    baseline = target.mean()
    return float((swapped.mean() - baseline) / (ceiling.mean() - baseline))


def source_wins(to_source: np.ndarray, to_target: np.ndarray) -> float:
    """Share of swapped frames nearer to the source than to the target, 0..1, higher is better.

    Args:
      to_source: `[N]` cosine of each frame with the source.
      to_target: `[N]` cosine of each frame with the target.
    """
    return float(np.mean(to_source > to_target))


def retrieves_source(swapped: np.ndarray, gallery: np.ndarray, is_source: np.ndarray) -> np.ndarray:
    """Whether the gallery image that is nearest to a frame shows the source.

    Args:
      swapped: `[N, D]` unit embeddings.
      gallery: `[G, D]` unit embeddings of images of several people.
      is_source: `[G]` bool, whether an image shows the source.

    Returns:
      `[N]` float64, 0 or 1; its mean is the top-1 retrieval, higher is better.
    """
    return is_source[(swapped @ gallery.T).argmax(1)].astype(np.float64)


def mesh_distances(swapped: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Distance of face meshes after the best similarity transform, % of the eye distance.

    The eye distance is the one between the outer corners in the target. 0 is best; two people with
    the same expression differ by about 2 % because their faces differ.

    Args:
      swapped: `[N, 478, 2]` pixels.
      target: `[N, 478, 2]` pixels, in the same frames.

    Returns:
      `[N]`.
    """
    return np.array([_mesh_distance(a, b) for a, b in zip(swapped, target, strict=True)])


def mean_differences(swapped: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean absolute difference in each frame; 0 is best.

    Args:
      swapped: `[N, C]`: yaw, pitch and roll in degrees, or blendshapes in 0..1.
      target: `[N, C]`, in the same frames.

    Returns:
      `[N]`, in the unit of the input.
    """
    return np.abs(swapped - target).mean(1)


def correlation(swapped: np.ndarray, target: np.ndarray) -> float:
    """Correlation over time, -1..1, higher is better; NaN where nothing moves.

    Args:
      swapped: `[N]` or `[N, C]`; columns are weighted by their variance.
      target: array of the same shape, in the same frames.
    """
    # All columns share one denominator, so that columns that hardly vary hardly count.
    a, b = (values - values.mean(0) for values in (swapped, target))
    spread = np.sqrt(np.square(a).sum() * np.square(b).sum())
    return float((a * b).sum() / spread) if spread > 0 else float("nan")


def gain(swapped: np.ndarray, target: np.ndarray) -> float:
    """Slope of the regression of the swap on the target; 1 if both move equally far.

    Args:
      swapped: `[N]`.
      target: `[N]`; the result is NaN if it does not move.
    """
    a, b = swapped - swapped.mean(), target - target.mean()
    spread = np.square(b).sum()
    return float((a * b).sum() / spread) if spread > 0 else float("nan")


def consecutive(frame_index: np.ndarray, track_id: np.ndarray) -> np.ndarray:
    """Whether three entries in a row are neighbouring frames of one track, `[N - 2]` bool.

    Args:
      frame_index: `[N]`, increasing.
      track_id: `[N]`, tracks of the target: a jump at a scene cut is not jitter.
    """
    return (frame_index[2:] - frame_index[:-2] == 2) & (track_id[2:] == track_id[:-2])


def second_differences(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Magnitude of the second difference over time: how far a value is off its neighbours' line.

    Args:
      values: `[N, 478, 2]` points in pixels, or `[N]` brightness.
      where: `[N - 2]` bool, from `consecutive`.

    Returns:
      `[M]`, M the number of true values in `where`; for points, the mean over all points.
    """
    second = (values[2:] - 2 * values[1:-1] + values[:-2])[where]
    if values.ndim == 1:
        return np.abs(second)
    return np.linalg.norm(second, axis=-1).mean(-1)


def ratio(swapped: np.ndarray, target: np.ndarray) -> float:
    """Mean of the swap over mean of the target; NaN where the target's mean is 0."""
    denominator = target.mean() if len(target) else 0.0
    return float(swapped.mean() / denominator) if denominator > 0 else float("nan")


def squared_error(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    """Mean squared difference of two uint8 images `[H, W, 3]` where `[H, W]` is true."""
    total = cv2.norm(a, b, cv2.NORM_L2SQR, where.astype(np.uint8))
    return float(total / (a.shape[-1] * np.count_nonzero(where)))


def psnr(errors: np.ndarray) -> float:
    """Peak signal-to-noise ratio of squared errors of 8-bit values, dB; infinite for 0."""
    error = np.mean(errors)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def _mesh_distance(swapped: np.ndarray, target: np.ndarray) -> float:
    fitted = similarity.apply(similarity.fit_similarity(swapped, target), swapped)
    # The eye distance makes the result independent of the size of the face.
    eyes = np.linalg.norm(target[OUTER_EYE_CORNERS[0]] - target[OUTER_EYE_CORNERS[1]])
    return float(100 * np.linalg.norm(fitted - target, axis=-1).mean() / eyes)
