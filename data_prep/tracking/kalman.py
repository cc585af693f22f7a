"""Motion in time: a constant-velocity Kalman filter, its smoother, and what they believe.

All coordinates of one thing (the place of a face, the points of a mouth) share their noise,
hence one covariance: the filter's algebra is of 2x2 matrices however many coordinates there
are. How noisy and how lively the thing is, is read off its own measurements, so that a
still face is steadied and a fast one is not held back.

Source: Rauch, Tung and Striebel, "Maximum likelihood estimates of linear dynamic systems",
1965; the algebra is filterpy's.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from filterpy import kalman
from scipy import ndimage

_SEEN = np.array([[1.0, 0.0]])
_STRIDES = (1, 2, 4)
# Frames over which motion counts as one. A single wrong measurement disturbs three of them.
_WINDOW = 7
# The quietest fifth of a track shows the noise. Windows of nothing but white noise show this
# share of its variance in their quietest fifth, and rarely (1 %) more than this multiple
# (simulated, medians of 4 coordinates).
_QUIET, _QUIET_SHARE, _CHANCE = 20, 0.58, 2.0
# The liveliness, in noises a frame, below which nothing is told from noise: a still face is
# steadied 3.4-fold.
_STILL = 0.05
# In the noise of a good measurement. Meshes of faces 50 to 280 px high differ tenfold; what
# trembles more is motion that never rests.
_WORST = 10.0


@dataclasses.dataclass(frozen=True)
class Noise:
    """What a filter believes.

    Attributes:
      measurement: standard deviation of one measured coordinate.
      acceleration: `[N]`, standard deviation of its second derivative over the step that
        leads to each measurement, per square second.
      speed: standard deviation of its first derivative before anything was measured.
    """

    measurement: float
    acceleration: np.ndarray
    speed: float = 1.0


class KalmanFilter:
    """Where something is and how fast it moves, measurement by measurement.

    Args:
      value: `[D]`, the first measurement.
      seconds: its time.
      measurement: standard deviation of a measured coordinate.
      speed: standard deviation of the first speed.
    """

    def __init__(self, value: np.ndarray, seconds: float, measurement: float, speed: float = 1.0):
        self._variance, self._seconds = measurement**2, seconds
        self.state = np.stack([value, np.zeros_like(value)]).astype(np.float64)
        self.covariance = np.diag([self._variance, speed**2])

    def predict(self, seconds: float) -> np.ndarray:
        """Where it will be, `[D]`."""
        return self.state[0] + (seconds - self._seconds) * self.state[1]

    def advance(self, seconds: float, acceleration: float) -> tuple[np.ndarray, np.ndarray]:
        """Goes on to a later time without a measurement.

        Args:
          seconds: the time.
          acceleration: standard deviation, constant over the step.

        Returns:
          The step's transition and drift, both `[2, 2]`.
        """
        step = seconds - self._seconds
        transition = np.array([[1.0, step], [0.0, 1.0]])
        shock = acceleration * np.array([[step**2 / 2], [step]])
        drift = shock @ shock.T
        self.state, self.covariance = kalman.predict(self.state, self.covariance, transition, drift)
        self._seconds = seconds
        return transition, drift

    def update(self, value: np.ndarray, trust: float = 1.0) -> None:
        """Takes in a measurement `[D]` made at the time of the last `advance`.

        Args:
          value: `[D]`.
          trust: 1 for an ordinary measurement, towards 0 for one that hardly counts.
        """
        variance = self._variance / trust
        innovation = value - self.state[0]
        _, self.covariance = kalman.update(self.state[:, :1], self.covariance, 0.0, variance, _SEEN)
        # The posterior covariance over the variance is the gain, whatever was measured.
        self.state = self.state + self.covariance[:, :1] / variance * innovation

    def innovation(self, value: np.ndarray) -> float:
        """How far a measurement `[D]` lies from what is expected now, standard deviations."""
        variance = self.covariance[0, 0] + self._variance
        return float(np.sqrt(np.mean((value - self.state[0]) ** 2) / variance))

    def jump(self, value: np.ndarray) -> np.ndarray:
        """Lets the next measurement be as far away as `value`; the added drift `[2, 2]`."""
        added = np.diag([float(np.mean((value - self.state[0]) ** 2)), 0.0])
        self.covariance = self.covariance + added
        return added


def smooth(
    values: np.ndarray, seconds: np.ndarray, trust: np.ndarray, noise: Noise, gate: float = np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """Filter forwards, smoother backwards: no lag, and what is missing is filled.

    A measurement too far from the prediction is an error if the next one is back on the old
    course, and then hardly counts; otherwise it is a jump, which the model is told of, so
    that neither the frames before nor those after it are dragged along.

    Args:
      values: `[N, D]`.
      seconds: `[N]`, increasing.
      trust: `[N]`, 1 for ordinary measurements, towards 0 for what hardly counts; 0 where
        nothing was measured (the value is ignored). The first counts.
      noise: of all coordinates alike.
      gate: standard deviations that are too far.

    Returns:
      `[N, D]` float64, and how far each measurement was trusted, `[N]`.
    """
    trust = trust.copy()
    ahead = KalmanFilter(values[0], seconds[0], noise.measurement, noise.speed)
    states, covariances = [ahead.state], [ahead.covariance]
    transitions, drifts = [], []
    for k in range(1, len(values)):
        transition, drift = ahead.advance(seconds[k], noise.acceleration[k])
        if trust[k] and (innovation := ahead.innovation(values[k])) > gate:
            if _comes_back(ahead, values, seconds, trust, k):
                trust[k] = (gate / innovation) ** 2
            else:
                drift = drift + ahead.jump(values[k])
        if trust[k]:
            ahead.update(values[k], trust[k])
        states.append(ahead.state)
        covariances.append(ahead.covariance)
        transitions.append(transition)
        drifts.append(drift)
    smoothed, *_ = kalman.rts_smoother(np.array(states), np.array(covariances), transitions, drifts)
    return smoothed[:, 0], trust


def measure_noise(
    values: np.ndarray, seconds: np.ndarray, trust: np.ndarray, least: float, robust: bool
) -> Noise:
    """How noisy measurements are, and how lively what they measure, from themselves.

    Second differences over 1, 2 and 4 frames hold the same noise, but ever more of a slow
    motion. Medians over a few frames leave out what is wrong in single ones.

    Args:
      values: `[N, D]`.
      seconds: `[N]`, increasing.
      trust: `[N]`, as for `smooth`.
      least: the noise of a good measurement, and of a track too short to tell.
      robust: whether what happens in less than half of a few frames is no motion but an error;
        heads need that, lids move too fast for it.
    """
    average = ndimage.median_filter if robust else ndimage.uniform_filter1d
    seen = np.flatnonzero(trust)
    noise, lively = least, np.zeros(len(seen))
    for stride in _STRIDES:
        if len(seen) <= 2 * stride + _WINDOW:
            break
        squares, per_noise = _accelerations(values[seen], seconds[seen], stride)
        # A running mean of what is next to nothing can be less than that.
        local = np.maximum(average(squares / per_noise, _WINDOW, mode="nearest"), 0)
        if stride == 1:
            quiet = np.sqrt(np.percentile(local, _QUIET) / _QUIET_SHARE)
            noise = float(np.clip(quiet, least, _WORST * least))
        # Each is the mean of the accelerations of two steps.
        excess = 2 * per_noise * np.maximum(local - _CHANCE * noise**2, 0)
        lively = np.maximum(lively, np.pad(excess, stride, mode="edge"))
    steps = np.diff(seconds, prepend=seconds[0])
    still = _STILL * noise / np.maximum(np.median(steps), 1e-3) ** 2
    return Noise(noise, np.maximum(np.interp(seconds, seconds[seen], np.sqrt(lively)), still))


def _accelerations(
    values: np.ndarray, seconds: np.ndarray, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """Mean square of the second divided differences, and what noise of variance 1 adds."""
    step = seconds[stride:] - seconds[:-stride]
    speed = (values[stride:] - values[:-stride]) / step[:, None]
    before, after = step[:-stride], step[stride:]
    half = (before + after) / 2
    squares = np.mean((speed[stride:] - speed[:-stride]) ** 2, -1) / half**2
    per_noise = (before**-2 + (1 / before + 1 / after) ** 2 + after**-2) / half**2
    return squares, per_noise


def _comes_back(
    ahead: KalmanFilter, values: np.ndarray, seconds: np.ndarray, trust: np.ndarray, k: int
) -> bool:
    """Whether the measurement after `k` is nearer to the old course than to measurement `k`."""
    later = k + 1 + np.flatnonzero(trust[k + 1 : k + 32])[:1]
    if not len(later):
        return True
    following = values[later[0]]
    course = ahead.predict(seconds[later[0]])
    return bool(np.sum((following - course) ** 2) < np.sum((following - values[k]) ** 2))
