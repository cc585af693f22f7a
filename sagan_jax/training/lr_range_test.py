"""Finds a learning rate that fits the footage: the range test of Smith ("Cyclical Learning Rates
for Training Neural Networks", 2017).

A fresh run takes some hundred steps while its rate rises exponentially. The loss falls, faster
and faster, until the rate is too high and it rises again.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Iterator

import jax
import numpy as np
from absl import logging
from matplotlib.axes import Axes
from scipy.ndimage import gaussian_filter1d

from data_prep.reporting import svg_plots
from data_prep.runtime.progress import Progress
from sagan_jax.configs.config import Config
from sagan_jax.data.identity_crops import IdentityCrops
from sagan_jax.devices import distributed
from sagan_jax.training import train_state, train_step

_LOWEST, _HIGHEST, _STEPS = 1e-5, 1.0, 160
# Standard deviation of the smoothing, in steps.
_SMOOTHING = 4.0
# The test ends when the loss is above its lowest value times this. The first steps are too noisy
# to end it.
_DIVERGED, _NOISY_STEPS = 2.0, 10
# The recommended rate is a tenth of the highest rate at which the loss is still within 10 % of its
# lowest. For `demo64`, whose rate of 1e-3 was found by training, that is 1.0e-3 (one run); a
# tenth of the rate of the lowest loss is 1.7e-4, since between 4e-4 and 1e-2 the loss is flat.
_SHARE, _WITHIN = 0.1, 1.1


@dataclasses.dataclass(frozen=True)
class RangeTest:
    """Result of a range test.

    Attributes:
      rates: learning rates of the generator, rising.
      losses: losses of the generator before the step at each rate.
      smoothed: the losses, averaged over neighbouring steps.
      recommended: a tenth of the highest rate at which the loss is still near its lowest.
      configured: rate of the config.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    recommended: float
    configured: float


def find_rate(
    config: Config, people: tuple[IdentityCrops, IdentityCrops], steps: int = _STEPS
) -> RangeTest:
    """Trains a fresh model with rising rates, and throws it away.

    The rate of the discriminators rises in proportion. Terms whose weight is 0 at the start of a
    run, such as the adversarial one, take no part.

    Args:
      config: config of the run to come.
      people: training crops of A and B.
      steps: number of steps from the lowest to the highest rate.
    """
    rates = np.geomspace(_LOWEST, _HIGHEST, steps)
    losses: list[float] = []
    with Progress("range test", total=steps, unit="steps") as bar:
        for loss in bar.track(_losses(_with_rates(config, rates), people, steps)):
            losses.append(loss)
            # Written so that NaN, too, ends the test.
            if len(losses) > _NOISY_STEPS and not loss < _DIVERGED * min(losses):
                break
    return _evaluate(rates, losses, config.optimiser.generator_rate)


def write(found: RangeTest, workdir: pathlib.Path) -> pathlib.Path:
    """Writes `find_lr.json` and `find_lr.svg`, and returns the latter's path."""
    (workdir / "find_lr.json").write_text(json.dumps(dataclasses.asdict(found), indent=2))

    def plot(axes: Axes) -> None:
        axes.plot(found.rates, found.losses, color=svg_plots.BLUES[0], alpha=0.3)
        axes.plot(found.rates, found.smoothed, color=svg_plots.BLUES[1])
        axes.axvline(found.recommended, color=svg_plots.RED, label="recommended")
        axes.axvline(found.configured, color=svg_plots.RED, linestyle=":", label="configured")
        axes.set(xscale="log", xlabel="learning rate of the generator", ylabel="its loss")
        axes.legend(frameon=False)
        axes.grid(True)

    path = workdir / "find_lr.svg"
    path.write_text(str(svg_plots.svg("find_lr", (8.0, 4.0), plot)))
    logging.info("Rate found: %.2g (configured: %.2g).", found.recommended, found.configured)
    return path


def _with_rates(config: Config, rates: np.ndarray) -> Config:
    """The config with one rate for each step, as a table over the images seen."""
    per_step = 2 * config.batch
    peak = config.optimiser.generator_rate
    table = tuple((i * per_step, float(rate / peak)) for i, rate in enumerate(rates))
    optimiser = dataclasses.replace(config.optimiser, warmup=0, rate=table)
    execution = dataclasses.replace(config.execution, dispatch=1)
    # The run is twice as long as the test: the cosine of its second half would lower the rates.
    return dataclasses.replace(
        config,
        images=2 * per_step * len(rates),
        swap_decoders_at=None,
        optimiser=optimiser,
        execution=execution,
    )


def _losses(
    config: Config, people: tuple[IdentityCrops, IdentityCrops], steps: int
) -> Iterator[float]:
    """Trains, and yields the generator's loss of each step."""
    mesh = distributed.device_mesh(config.batch)
    everywhere = distributed.replicated_sharding(mesh)
    data = jax.device_put(people, everywhere)
    create = jax.jit(lambda key: train_state.create(key, config), out_shardings=everywhere)
    state = create(train_state.root_key(config.seed))
    step = train_step.make_step(config, mesh)
    for _ in range(steps):
        state, metrics = step(state, data)
        yield float(metrics["generator"])


def _evaluate(rates: np.ndarray, losses: list[float], configured: float) -> RangeTest:
    """Finds the recommended rate on the curve up to the first loss that is not finite."""
    finite = np.isfinite(losses)
    kept = len(losses) if finite.all() else int(np.argmin(finite))
    smoothed = gaussian_filter1d(np.array(losses[:kept]), _SMOOTHING, mode="nearest")
    edge = np.flatnonzero(smoothed <= _WITHIN * smoothed.min())[-1]
    return RangeTest(
        rates=tuple(rates[:kept].tolist()),
        losses=tuple(losses[:kept]),
        smoothed=tuple(smoothed.tolist()),
        recommended=float(f"{_SHARE * rates[edge]:.1e}"),
        configured=configured,
    )
