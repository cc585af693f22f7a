"""How often each crop is sampled.

Footage of two people never holds the same poses and expressions equally often. A decoder is bad at
what it was rarely trained on, though the other person may do it all the time. So half of the crops
are sampled as if one person had been filmed doing what the other does: importance sampling by a
ratio of kernel densities (Shimodaira, "Improving predictive inference under covariate shift",
2000), mixed with the footage as it is, so that nothing is left out (Hesterberg, "Weighted average
importance sampling and defensive mixture distributions", 1995).
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from data_prep.dataset.coverage import ANGLES
from data_prep.even_spacing import evenly_spaced
from sagan_jax.configs.config import Sampling
from sagan_jax.data.identity_crops import IdentityCrops

IdentityPair = tuple[IdentityCrops, IdentityCrops]

# A rare crop is sampled at most this many times as often as in uniform sampling: a single profile
# should not be learned by heart.
_LARGEST_FACTOR = 10.0
# Widths of the kernels of yaw and pitch (degrees), openings of the mouth (face heights) and of the
# eyes (height over width): a sixth of the range of people in a minute of talking.
_KERNEL_WIDTHS = np.array([3.0, 3.0, 0.02, 0.03])
# A blink comes in any pose and need not be filmed in the other person's: eyes count by themselves.
_HEAD, _EYES = slice(0, 3), slice(3, 4)
# Crops that a density is estimated from, and rows that are compared with them at once.
_REFERENCES, _ROWS = 2048, 4096


def with_sampling_weights(people: IdentityPair, sampling: Sampling) -> IdentityPair:
    """Returns both people with `IdentityCrops.cumulative`, how often each crop is sampled.

    Args:
      people: both people as they were read, with `performance`; the result is without.
      sampling: method, see `Config.sampling`.
    """
    a, b = people
    return _with_weights(a, b, sampling), _with_weights(b, a, sampling)


def match_performance(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Samples half as the footage is, and half as often as the other person does the same.

    Args:
      own: `[N, 4]`, see `IdentityCrops.performance`.
      other: `[M, 4]`, performance of the other person.

    Returns:
      `[N]` float32, see `IdentityCrops.cumulative`.
    """
    ratio = _density_ratio(own, other, _HEAD) * _density_ratio(own, other, _EYES)
    return _cumulative(0.5 / len(own) + 0.5 * ratio / ratio.sum())


def balance_yaw(yaws: np.ndarray) -> np.ndarray:
    """Samples every direction of the head equally often.

    Directions are the 5-degree intervals of `coverage.ANGLES` that occur in the footage.

    Args:
      yaws: `[N]` degrees.

    Returns:
      `[N]` float32, see `IdentityCrops.cumulative`.
    """
    direction = np.array([ANGLES.index(yaw) for yaw in yaws])
    weights = 1 / np.bincount(direction)[direction]
    return _cumulative(weights / weights.sum())


def _with_weights(own: IdentityCrops, other: IdentityCrops, sampling: Sampling) -> IdentityCrops:
    cumulative = None
    if sampling != "uniform":
        ours, theirs = np.asarray(own.performance), np.asarray(other.performance)
        if sampling == "matched":
            cumulative = match_performance(ours, theirs)
        else:
            cumulative = balance_yaw(ours[:, 0])
    # The performance is not needed any more and would only take memory on the devices.
    return own._replace(cumulative=cumulative, performance=None)


def _density_ratio(own: np.ndarray, other: np.ndarray, columns: slice) -> np.ndarray:
    """How much more often the other person does what each crop shows, up to a factor, `[N]`."""
    ours, theirs = (one[:, columns] / _KERNEL_WIDTHS[columns] for one in (own, other))
    # If the other person never does any of this, the ratio is the same for all crops, not 0 / 0.
    return (_density(ours, theirs) + 1e-12) / _density(ours, ours)


def _density(points: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Density of `samples` `[M, C]` at `points` `[N, C]`, up to a factor, `[N]`."""
    references = samples[evenly_spaced(len(samples), _REFERENCES)]
    # A part at a time, so that the matrix of distances stays small.
    parts = np.split(points, range(_ROWS, len(points), _ROWS))
    distances = (cdist(part, references, "sqeuclidean") for part in parts)
    return np.concatenate([np.exp(-one / 2).mean(1) for one in distances])


def _cumulative(shares: np.ndarray) -> np.ndarray:
    """Bounds shares `[N]` that sum to 1 and sums them up, `[N]` float32, rising to 1."""
    shares = np.minimum(shares, (_LARGEST_FACTOR - 1) / len(shares))
    # Whatever was cut off is spread over all crops.
    cumulative = np.cumsum(shares + (1 - shares.sum()) / len(shares))
    return (cumulative / cumulative[-1]).astype(np.float32)
