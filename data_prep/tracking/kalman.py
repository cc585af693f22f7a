"""Constant-velocity Kalman filter, its smoother, and the estimation of their noise.

All coordinates of one thing (the position of a face, the points of a mouth) share their noise and
hence one covariance, so the filter works with 2x2 matrices however many coordinates there are. The
noise of the measurements and the liveliness of the motion are estimated from the measurements
themselves, so that a still face is smoothed a lot and a fast one is not held back.

Source: Rauch, Tung and Striebel, "Maximum likelihood estimates of linear dynamic systems", 1965.
The matrix algebra is filterpy's.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from filterpy import kalman
from scipy import ndimage

# Measures the position and not the velocity.
_MEASUREMENT = np.array([[1.0, 0.0]])
# Frames between the positions of which accelerations are taken.
_STRIDES = (1, 2, 4)
# Frames over which the liveliness counts as constant. A wrong measurement disturbs three of them.
_WINDOW = 7
# The quietest fifth of a track shows the noise. Windows of nothing but white noise show this
# share of its variance in their quietest fifth, and rarely (1 %) more than this multiple
# (simulated, medians of 4 coordinates).
_QUIET, _QUIET_SHARE, _CHANCE = 20, 0.58, 2.0
# Least acceleration, in standard deviations of the noise per squared frame: less cannot be
# distinguished from noise. It reduces the noise of a still face 3.4-fold.
_STILL = 0.05
# Largest noise, as a multiple of that of a good measurement. Meshes of faces 50 to 280 px high
# differ tenfold; anything noisier is motion that never rests.
_WORST = 10.0
# Frames after a suspicious measurement in which the next one is looked for.
_LOOK_AHEAD = 32


@dataclasses.dataclass(frozen=True)
class NoiseModel:
    """Noise of the measurements and liveliness of the motion.

    Attributes:
      measurement: standard deviation of one measured coordinate.
      acceleration: `[N]`, standard deviation of a coordinate's acceleration over the step that
        leads to each measurement, per square second.
      speed: standard deviation of a coordinate's velocity before the first measurement, per
        second.
    """

    measurement: float
    acceleration: np.ndarray
    speed: float = 1.0


class KalmanFilter:
    """Estimate of position and velocity, measurement by measurement.

    Args:
      value: `[D]`, the first measurement.
      seconds: its time.
      measurement: standard deviation of a measured coordinate.
      speed: standard deviation of the first velocity.

    Attributes:
      state: `[2, D]` float64, position and velocity.
      covariance: `[2, 2]`, covariance of position and velocity, shared by all coordinates.
    """

    def __init__(self, value: np.ndarray, seconds: float, measurement: float, speed: float = 1.0):
        self._variance, self._seconds = measurement**2, seconds
        self.state = np.stack([value, np.zeros_like(value)]).astype(np.float64)
        self.covariance = np.diag([self._variance, speed**2])

    def predict(self, seconds: float) -> np.ndarray:
        """Returns the expected position `[D]` at a time; changes nothing."""
        return self.state[0] + (seconds - self._seconds) * self.state[1]

    def advance(self, seconds: float, acceleration: float) -> tuple[np.ndarray, np.ndarray]:
        """Moves on to a later time without a measurement.

        Args:
          seconds: the time.
          acceleration: standard deviation of the acceleration, constant over the step.

        Returns:
          Transition matrix and process noise of the step, both `[2, 2]`.
        """
        step = seconds - self._seconds
        transition = np.array([[1.0, step], [0.0, 1.0]])
        effect = acceleration * np.array([[step**2 / 2], [step]])
        process_noise = effect @ effect.T
        self.state, self.covariance = kalman.predict(
            self.state, self.covariance, transition, process_noise
        )
        self._seconds = seconds
        return transition, process_noise

    def update(self, value: np.ndarray, trust: float = 1.0) -> None:
        """Takes in a measurement made at the time of the last `advance`.

        Args:
          value: `[D]`, the measurement.
          trust: 1 for an ordinary measurement, towards 0 for one that hardly counts.
        """
        variance = self._variance / trust
        residual = value - self.state[0]
        # filterpy's update is for one column; the gain is then applied to all coordinates. It is
        # the posterior covariance over the variance of the measurement.
        _, self.covariance = kalman.update(
            self.state[:, :1], self.covariance, 0.0, variance, _MEASUREMENT
        )
        self.state = self.state + self.covariance[:, :1] / variance * residual

    def innovation(self, value: np.ndarray) -> float:
        """Returns the distance of a measurement `[D]` from its prediction, standard deviations."""
        variance = self.covariance[0, 0] + self._variance
        return float(np.sqrt(np.mean((value - self.state[0]) ** 2) / variance))

    def allow_jump(self, value: np.ndarray) -> np.ndarray:
        """Widens the position's covariance until a measurement `[D]` is to be expected.

        Returns:
          The added process noise, `[2, 2]`.
        """
        added = np.diag([float(np.mean((value - self.state[0]) ** 2)), 0.0])
        self.covariance = self.covariance + added
        return added


def smooth(
    values: np.ndarray,
    seconds: np.ndarray,
    trust: np.ndarray,
    noise: NoiseModel,
    gate: float = np.inf,
) -> tuple[np.ndarray, np.ndarray]:
    """Filters forwards, then smooths backwards: there is no lag, and gaps are filled.

    A measurement too far from its prediction is an error if the next one is back on the old course,
    and then hardly counts. Otherwise it is a jump: the process noise of its step is raised, so that
    neither the frames before it nor those after it are dragged along.

    Args:
      values: `[N, D]`, measurements.
      seconds: `[N]`, their times, increasing.
      trust: `[N]`, 1 for ordinary measurements, towards 0 for those that hardly count, 0 where
        nothing was measured (the value is ignored). The first measurement must count.
      noise: noise of all coordinates alike.
      gate: innovation, in standard deviations, from which a measurement is too far.

    Returns:
      Smoothed values `[N, D]` float64, and the trust in each measurement after gating, `[N]`.
    """
    trust = trust.copy()
    forward = KalmanFilter(values[0], seconds[0], noise.measurement, noise.speed)
    states, covariances = [forward.state], [forward.covariance]
    transitions, process_noises = [], []
    for k in range(1, len(values)):
        transition, process_noise = forward.advance(seconds[k], noise.acceleration[k])
        # A surprise is either a wrong measurement, which is trusted less, or a sudden move, for
        # which the filter has to become less sure of its own prediction.
        if trust[k] and (innovation := forward.innovation(values[k])) > gate:
            if _is_outlier(forward, values, seconds, trust, k):
                trust[k] = (gate / innovation) ** 2
            else:
                process_noise = process_noise + forward.allow_jump(values[k])
        if trust[k]:
            forward.update(values[k], trust[k])
        states.append(forward.state)
        covariances.append(forward.covariance)
        transitions.append(transition)
        process_noises.append(process_noise)
    # Backwards, each state also learns from the measurements after it.
    smoothed, *_ = kalman.rts_smoother(
        np.array(states), np.array(covariances), transitions, process_noises
    )
    return smoothed[:, 0], trust


def estimate_noise(
    values: np.ndarray, seconds: np.ndarray, trust: np.ndarray, least: float, robust: bool
) -> NoiseModel:
    """Estimates noise and liveliness from the measurements themselves.

    Second differences over 1, 2 and 4 frames contain the same noise, but ever more of a slow
    motion. Medians over a few frames leave out single wrong measurements.

    Args:
      values: `[N, D]`, measurements.
      seconds: `[N]`, their times, increasing.
      trust: `[N]`, the same as for `smooth`.
      least: noise of a good measurement, and of a track too short to tell.
      robust: whether what happens in less than half of a few frames is an error rather than a
        motion. Heads need that; eyelids move too fast for it.
    """
    average = ndimage.median_filter if robust else ndimage.uniform_filter1d
    measured = np.flatnonzero(trust)
    noise, acceleration_variance = least, np.zeros(len(measured))
    for stride in _STRIDES:
        if len(measured) <= 2 * stride + _WINDOW:
            break
        squares, per_noise = _accelerations(values[measured], seconds[measured], stride)
        # Rounding can make a running mean of zeros slightly negative.
        local = np.maximum(average(squares / per_noise, _WINDOW, mode="nearest"), 0)
        # The noise is read off neighbouring frames, where motion adds least.
        if stride == 1:
            quiet = np.sqrt(np.percentile(local, _QUIET) / _QUIET_SHARE)
            noise = float(np.clip(quiet, least, _WORST * least))
        # Everything above the noise is motion. Each of these accelerations is a mean over two
        # steps, hence the 2.
        excess = 2 * per_noise * np.maximum(local - _CHANCE * noise**2, 0)
        acceleration_variance = np.maximum(
            acceleration_variance, np.pad(excess, stride, mode="edge")
        )
    steps = np.diff(seconds, prepend=seconds[0])
    still = _STILL * noise / np.maximum(np.median(steps), 1e-3) ** 2
    acceleration = np.interp(seconds, seconds[measured], np.sqrt(acceleration_variance))
    return NoiseModel(noise, np.maximum(acceleration, still))


def _accelerations(
    values: np.ndarray, seconds: np.ndarray, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """Computes second divided differences over `stride` frames to either side.

    Returns:
      Their mean squares over the coordinates, and how much measurement noise of variance 1 adds to
      each, both `[N - 2 * stride]`.
    """
    step = seconds[stride:] - seconds[:-stride]
    speed = (values[stride:] - values[:-stride]) / step[:, None]
    before, after = step[:-stride], step[stride:]
    half = (before + after) / 2
    squares = np.mean((speed[stride:] - speed[:-stride]) ** 2, -1) / half**2
    per_noise = (before**-2 + (1 / before + 1 / after) ** 2 + after**-2) / half**2
    return squares, per_noise


def _is_outlier(
    forward: KalmanFilter, values: np.ndarray, seconds: np.ndarray, trust: np.ndarray, k: int
) -> bool:
    """Whether the measurement after `k` is nearer to the old course than to measurement `k`."""
    later = k + 1 + np.flatnonzero(trust[k + 1 : k + _LOOK_AHEAD])[:1]
    if not len(later):
        return True
    following = values[later[0]]
    course = forward.predict(seconds[later[0]])
    return bool(np.sum((following - course) ** 2) < np.sum((following - values[k]) ** 2))
