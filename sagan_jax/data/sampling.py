"""How often each crop is drawn.

Footage of two people never holds the same poses and expressions equally often, and what a decoder
has rarely drawn it draws badly, though the other person may do it all the time. So half of the
crops are drawn as if the one had been filmed doing what the other does: importance sampling by a
ratio of kernel densities (Shimodaira, "Improving predictive inference under covariate shift",
2000), mixed with the footage as it is, so that nothing is left out (Hesterberg, "Weighted average
importance sampling and defensive mixture distributions", 1995).
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from data_prep.dataset.coverage import ANGLES
from data_prep.even_spacing import spread
from sagan_jax.configs.config import Sampling
from sagan_jax.data.identity_crops import Identity

People = tuple[Identity, Identity]

# How much more often than by chance a rare crop is drawn, at most: a single profile is not to be
# learned by heart.
_MOST_OFTEN = 10.0
# How far apart yaw and pitch (degrees), openings of the mouth (face heights) and of the eyes
# (height over width) still count as alike: a sixth of what people do in a minute of talking.
_ALIKE = np.array([3.0, 3.0, 0.02, 0.03])
# A blink comes in any pose and need not be filmed in the other person's: eyes count by themselves.
_HEAD, _EYES = slice(0, 3), slice(3, 4)
# Crops that tell a density, and rows that are compared with them at once.
_REFERENCES, _ROWS = 2048, 4096


def with_sampling_weights(people: People, sampling: Sampling) -> People:
    """Both people with how likely each of their crops is drawn.

    Args:
      people: as they were read.
      sampling: see `Config`.
    """
    a, b = people
    return _sampling_weights(a, b, sampling), _sampling_weights(b, a, sampling)


def matched(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Half of the crops as they are, half as often as the other person does alike.

    Args:
      own: `[N, 4]`, see `Identity.performance`.
      other: `[M, 4]`, of the other person.

    Returns:
      `[N]` float32, see `Identity.cumulative`.
    """
    ratio = _ratio(own, other, _HEAD) * _ratio(own, other, _EYES)
    return _cumulative(0.5 / len(own) + 0.5 * ratio / ratio.sum())


def balanced(yaws: np.ndarray) -> np.ndarray:
    """Every direction of the head alike often.

    Directions are those of `coverage.ANGLES`, 5 degrees each, as far as they were seen.

    Args:
      yaws: `[N]` degrees.

    Returns:
      `[N]` float32, see `Identity.cumulative`.
    """
    direction = np.array([ANGLES.index(yaw) for yaw in yaws])
    weights = 1 / np.bincount(direction)[direction]
    return _cumulative(weights / weights.sum())


def _sampling_weights(own: Identity, other: Identity, sampling: Sampling) -> Identity:
    likely = None
    if sampling != "uniform":
        does, theirs = np.asarray(own.performance), np.asarray(other.performance)
        likely = matched(does, theirs) if sampling == "matched" else balanced(does[:, 0])
    # What has served its purpose is not sent to the devices.
    return own._replace(cumulative=likely, performance=None)


def _ratio(own: np.ndarray, other: np.ndarray, of: slice) -> np.ndarray:
    """How much more often the other person does what is done in each crop, but for a factor."""
    does, theirs = (one[:, of] / _ALIKE[of] for one in (own, other))
    # What the other person never does keeps a trace, if it is all there is.
    return (_density(does, theirs) + 1e-12) / _density(does, does)


def _density(at: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Of points `[N, C]`, where there are others `[M, C]`, but for a factor: `[N]`."""
    references = of[spread(len(of), _REFERENCES)]
    parts = np.split(at, range(_ROWS, len(at), _ROWS))
    distances = (cdist(part, references, "sqeuclidean") for part in parts)
    return np.concatenate([np.exp(-one / 2).mean(1) for one in distances])


def _cumulative(shares: np.ndarray) -> np.ndarray:
    """Of shares `[N]` that sum to 1; what a rare crop may not have, all share."""
    shares = np.minimum(shares, (_MOST_OFTEN - 1) / len(shares))
    cumulative = np.cumsum(shares + (1 - shares.sum()) / len(shares))
    return (cumulative / cumulative[-1]).astype(np.float32)
