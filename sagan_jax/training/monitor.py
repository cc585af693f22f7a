"""Watching a training while it runs: progress line, metrics, curves, a profile."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import struct
import time
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from tensorboardX import SummaryWriter
from tensorboardX.proto.summary_pb2 import Summary

from data_prep.runtime.progress import Progress
from sagan_jax.checkpoints import stats_log
from sagan_jax.configs import schedule
from sagan_jax.configs.config import Config
from sagan_jax.devices.peak_flops import Peak

# Loss of a discriminator that only guesses. mixup: variance of Beta(0.2, 0.2).
_UNDECIDED = {"hinge": 2.0, "mixup": 0.04 / (0.16 * 1.4), "relativistic": 1.0}
# A warning is logged after so many lines in a row with less doubt than this.
_PATIENCE, _SURE = 5, 0.05


@dataclasses.dataclass(frozen=True)
class ProfileWindow:
    """Part of a run that is profiled.

    Attributes:
      at: images after which the profile begins.
      steps: length of the profile, steps.
    """

    at: int
    steps: int


class Monitor:
    """Watches one run; a context manager.

    Writes `stats.jsonl`, `tensorboard/` and, for a window, `profile/` into the training folder.

    Args:
      workdir: the training folder.
      config: config of the run.
      images: images seen before.
      skipped: steps skipped before.
      flops: floating-point operations of one step, as XLA counts them.
      peak: peak arithmetic of the devices.
      window: part of the run to profile; None for none.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        config: Config,
        *,
        images: int,
        skipped: int,
        flops: float,
        peak: Peak,
        window: ProfileWindow | None = None,
    ):
        self._workdir, self._config, self._peak = workdir, config, peak
        self._flops = flops / (2 * config.batch)
        self._progress = Progress("training", total=config.images, unit="images", done=images)
        self._profile = _Profile(workdir / "profile", window)
        self._sure_for, self._note = 0, ""
        self._events: SummaryWriter | None = None
        self._images = self._logged = images
        self._skipped, self._compiled = skipped, False
        self.restart_clock()

    def __enter__(self) -> Monitor:
        self._events = SummaryWriter(
            str(self._workdir / "tensorboard"), purge_step=self._images + 1, flush_secs=10
        )
        self._progress.__enter__()
        self.restart_clock()
        return self

    def __exit__(self, *error: object) -> None:
        self._profile.close()
        self._progress.__exit__(*error)  # type: ignore[arg-type]
        if self._events:
            self._events.close()

    def go_back(self, images: int, skipped: int) -> None:
        """Continues from an earlier state of the run.

        Args:
          images: images seen at that state.
          skipped: steps skipped until then.
        """
        self._progress.advance(images - self._images)
        self._images, self._logged, self._skipped = images, images, skipped
        self.restart_clock()

    def restart_clock(self) -> None:
        """Leaves the time since the last metrics out of the speed: it was no training."""
        self._clock, self._clock_images = time.monotonic(), self._images

    def advance(self, images: int) -> None:
        """Counts a dispatched step; the time of the first, which compiles, does not count.

        Args:
          images: images seen after it.
        """
        self._progress.advance(images - self._images, self._note)
        self._images = images
        self._profile.step(images)
        if not self._compiled:
            self._compiled = True
            self.restart_clock()

    def log(self, metrics: Mapping[str, jax.Array]) -> bool:
        """Writes the metrics of a step and checks them.

        Args:
          metrics: scalars on the device; this waits for them.

        Returns:
          Whether more than half of the steps since the last call were finite.
        """
        values = {name: float(value) for name, value in jax.device_get(metrics).items()}
        values |= self._speed() | self._balance(values)
        self._write(values)
        # The count of skipped steps is of the whole run; only its growth tells how the run is now.
        steps = (self._images - self._logged) // (2 * self._config.batch)
        skipped = round(values["skipped"]) - self._skipped
        self._logged, self._skipped = self._images, round(values["skipped"])
        self.restart_clock()
        if skipped:
            logging.warning(
                "%d of %d steps before image %d were skipped: a loss or gradient was not finite.",
                skipped,
                steps,
                self._images,
            )
        return 2 * skipped < max(steps, 1)

    def log_held_out(self, values: Mapping[str, float]) -> None:
        """Writes metrics of held-out crops."""
        self._write(values)

    def log_preview(self, preview: pathlib.Path) -> None:
        """Adds a PNG to TensorBoard byte for byte.

        So it keeps its marks, and coding it again would take half a second.
        """
        if not self._events or not self._events.file_writer:
            return
        png = preview.read_bytes()
        width, height = struct.unpack(">II", png[16:24])  # in the header of a PNG
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=png)
        value = Summary.Value(tag="preview", image=image)
        self._events.file_writer.add_summary(Summary(value=[value]), self._images)

    def _write(self, values: Mapping[str, float]) -> None:
        stats_log.append(self._workdir, self._images, values)
        for name, value in values.items():
            if self._events and np.isfinite(value):
                self._events.add_scalar(name, value, self._images)

    def _speed(self) -> dict[str, float]:
        """Speed since the clock was restarted; empty if nothing was done."""
        images, seconds = self._images - self._clock_images, time.monotonic() - self._clock
        if not images:
            return {}
        rate = images / seconds
        flops = rate * self._flops
        step_ms = 1000 * 2 * self._config.batch / rate
        self._note = (
            f"{step_ms:.0f} ms a step, {flops / 1e12:.3g} TFLOP/s, "
            f"{flops / self._peak.flops:.0%} of peak"
        )
        return {
            "images_per_second": rate,
            "step_ms": step_ms,
            "tflops": flops / 1e12,
            "share_of_peak": flops / self._peak.flops,
        }

    def _balance(self, values: Mapping[str, float]) -> dict[str, float]:
        """Doubt of the discriminators: 0 if they are always right, 1 if they only guess."""
        loss = self._config.loss
        if "discriminator" not in values:
            return {}
        images = jnp.float32(self._images)
        weight = float(schedule.at(loss.gradient_penalty, images))
        penalty = weight * values.get("gradient_penalty", 0.0)
        doubt = (values["discriminator"] - penalty) / _UNDECIDED[loss.discriminator_loss]
        # Before the adversarial term has a weight the generator does not fight back.
        in_use = float(schedule.at(loss.adversarial, images)) > 0
        self._sure_for = self._sure_for + 1 if in_use and doubt < _SURE else 0
        if self._sure_for == _PATIENCE:
            logging.warning(
                "The discriminators are always right (doubt %.3f): the generator learns little "
                "from them. Lower optimiser.discriminator_rate, or set "
                "loss.discriminator_augmentation.",
                doubt,
            )
        return {"discriminator_doubt": doubt}


class _Profile:
    """Records a window of steps for TensorBoard, Perfetto or XProf."""

    def __init__(self, folder: pathlib.Path, window: ProfileWindow | None):
        self._folder, self._window = folder, window
        self._left: int | None = None

    def step(self, images: int) -> None:
        if self._window and self._left is None and images >= self._window.at:
            jax.profiler.start_trace(self._folder)
            self._left = self._window.steps
        elif self._left:
            self._left -= 1
            if not self._left:
                self._stop()

    def close(self) -> None:
        if self._left:
            self._left = 0
            # An error of the profiler must not hide the one that ends the run.
            with contextlib.suppress(RuntimeError):
                self._stop()

    def _stop(self) -> None:
        jax.profiler.stop_trace()
        logging.info("Profile of %s: see it with TensorBoard or XProf.", self._folder)
