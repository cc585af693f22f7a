"""What "good" means, in numbers: one pure function a figure."""

from __future__ import annotations

import numpy as np

from data_prep import alignment

EYE_CORNERS = (33, 263)
_UPPER_LIP, _LOWER_LIP = 13, 14


def centroid(embeddings: np.ndarray) -> np.ndarray:
    """The direction of a person: mean of unit embeddings `[N, D]`, of unit length, `[D]`."""
    mean = embeddings.mean(0)
    return mean / np.linalg.norm(mean)


def identity_transfer(swapped: float, target: float, ceiling: float) -> float:
    """How far the swap went from the target person to the source person.

    Args:
      swapped: mean cosine of the swapped frames with the source.
      target: mean cosine of the target's own frames with the source.
      ceiling: mean cosine of held-out frames of the source with the source.

    Returns:
      0 for no swap, 1 where the swap is as like the source as the source itself.
    """
    return (swapped - target) / (ceiling - target)


def source_wins(swapped: np.ndarray, source: np.ndarray, target: np.ndarray) -> float:
    """Share of swapped frames nearer to the source than to the target, 0..1, higher is better.

    Args:
      swapped: `[N, D]` unit embeddings.
      source: `[D]` centroid.
      target: `[D]` centroid.
    """
    return float(np.mean(swapped @ source > swapped @ target))


def expression_error(swapped: np.ndarray, target: np.ndarray) -> float:
    """Distance of the face meshes after the best similarity, % of the eye distance.

    The eye distance is that of the outer corners in the target. 0 is best; two people with
    the same expression differ by some 2 % because their faces do.

    Args:
      swapped: `[N, 478, 2]` pixels.
      target: likewise, the same frames.
    """
    return float(np.mean([_mesh_distance(a, b) for a, b in zip(swapped, target, strict=True)]))


def pose_error(swapped: np.ndarray, target: np.ndarray) -> float:
    """Mean absolute difference of yaw, pitch and roll `[N, 3]`, degrees; 0 is best."""
    return float(np.abs(swapped - target).mean())


def mouth_correlation(swapped: np.ndarray, target: np.ndarray) -> float:
    """Correlation over time of the mouths' openings, -1..1, higher is better.

    Args:
      swapped: `[N, 478, 2]` pixels.
      target: likewise.
    """
    return float(np.corrcoef(_mouth_opening(swapped), _mouth_opening(target))[0, 1])


def jitter_ratio(
    swapped: np.ndarray, target: np.ndarray, frame_index: np.ndarray, track_id: np.ndarray
) -> float:
    """Restlessness of the swapped mesh over that of the target; 1 is as steady as the target.

    Restlessness is the mean length of the second difference over three neighbouring frames
    of one track: the jump of a scene cut is no jitter.

    Args:
      swapped: `[N, 478, 2]` pixels.
      target: likewise.
      frame_index: `[N]`, increasing.
      track_id: `[N]`, of the target.
    """
    neighbours = (frame_index[2:] - frame_index[:-2] == 2) & (track_id[2:] == track_id[:-2])
    return float(_restlessness(swapped, neighbours) / _restlessness(target, neighbours))


def psnr(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 images where a mask is true, dB."""
    return squared_error_to_psnr(squared_error(a, b, where))


def squared_error(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    """Mean squared difference of two uint8 images `[H, W, 3]` where `[H, W]` is true."""
    return float(np.square(a[where].astype(np.float64) - b[where]).mean())


def squared_error_to_psnr(error: float) -> float:
    """dB from a mean squared error of 8-bit values; infinite for 0."""
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def _mesh_distance(swapped: np.ndarray, target: np.ndarray) -> float:
    fitted = alignment.apply(alignment.fit_similarity(swapped, target), swapped)
    eyes = np.linalg.norm(target[EYE_CORNERS[0]] - target[EYE_CORNERS[1]])
    return float(100 * np.linalg.norm(fitted - target, axis=-1).mean() / eyes)


def _mouth_opening(meshes: np.ndarray) -> np.ndarray:
    gap = np.linalg.norm(meshes[:, _UPPER_LIP] - meshes[:, _LOWER_LIP], axis=-1)
    eyes = np.linalg.norm(meshes[:, EYE_CORNERS[0]] - meshes[:, EYE_CORNERS[1]], axis=-1)
    return gap / eyes


def _restlessness(meshes: np.ndarray, neighbours: np.ndarray) -> float:
    second = meshes[2:] - 2 * meshes[1:-1] + meshes[:-2]
    return float(np.linalg.norm(second[neighbours], axis=-1).mean())
