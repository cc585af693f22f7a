"""The training loop, in one function to be read from top to bottom."""

from __future__ import annotations

import collections
import contextlib
import pathlib
import signal
from collections.abc import Sequence
from typing import Any

import jax
from absl import logging

from data_prep.dataset import identity_card
from data_prep.errors import InputError
from sagan_jax.checkpoints import model_card, stats_log
from sagan_jax.checkpoints.facts import CheckpointFacts, IdentityFacts
from sagan_jax.checkpoints.keep import Keep
from sagan_jax.configs import overrides, schedule
from sagan_jax.configs.config import Config
from sagan_jax.configs.warm_start import Start
from sagan_jax.data.crop_source import open_source
from sagan_jax.devices import distributed, peak_flops
from sagan_jax.inputs.identity_stats import IdentityStats
from sagan_jax.losses import perceptual
from sagan_jax.networks import flops, precision
from sagan_jax.training import train_report, train_step
from sagan_jax.training.marked_previews import MarkedPreviews
from sagan_jax.training.monitor import Monitor, ProfileWindow
from sagan_jax.training.resume import Resumable
from sagan_jax.training.train_state import TrainState
from sagan_jax.validation import reconstruction
from sagan_jax.validation.preview import Preview

# Steps dispatched beyond the one the device works on: the device never waits for the host, and a
# signal is answered after so many steps.
_AHEAD = 2


def train(
    config: Config,
    folders: tuple[pathlib.Path, pathlib.Path],
    workdir: pathlib.Path,
    *,
    start: Start | None = None,
    keep: Keep = Keep(),
    window: ProfileWindow | None = None,
    measures: Sequence[reconstruction.MakeMeasure] = (reconstruction.make_measure,),
) -> None:
    """Trains, or continues, one model.

    Writes into `workdir`: `checkpoints/`, `stats.jsonl`, `tensorboard/`, `previews/*.png`,
    `config.json`, `MODEL_CARD.md`, `model_card.json`, and, at the end, `timelapse.mp4` and
    `report.html`.

    Killed at any time and called again, it continues from the newest checkpoint and ends with the
    same numbers as if it had never been killed. SIGTERM and Ctrl-C save first. Where at least half
    of the steps between two lines of the log are not finite, it goes back to the newest checkpoint
    and on with lower rates, at most five times.

    Args:
      config: config of the run.
      folders: data sets of A and B.
      workdir: training folder.
      start: another run to start from; without effect where this one is continued.
      keep: which checkpoints stay.
      window: steps to be profiled, into `profile/`.
      measures: makers of functions from the averaged generator to metrics of held-out crops, by
        name. They must include `reconstruction.make_measure`: the best checkpoint is chosen by its
        metrics, and by those of `evaluation.holdout_swap` if they are there.

    Raises:
      InputError: if a data set cannot be used, the folder holds a run of another config, or
        losses stay not finite.
    """
    # -- data: crops of both people, whole or in windows, on every device. A data set that cannot be
    # used is refused before anything is written.
    cards = [identity_card.read_card(folder) for folder in folders]
    if cards[0].fingerprint == cards[1].fingerprint:
        raise InputError(f"{folders[1]}: is identity A again; a swap needs two people")
    mesh = distributed.device_mesh(config.batch, accumulate=config.execution.accumulate)
    everywhere = distributed.replicated_sharding(mesh)
    source = open_source(config, folders, mesh)
    held_out = reconstruction.load(folders, config.model, source.identity_stats)
    facts = _facts(config, cards, source.identity_stats)
    logging.info(
        "A: %s, %d crops. B: %s, %d crops. %d device(s) of %d process(es): %s; computing in %s.",
        facts.names[0],
        cards[0].count("train"),
        facts.names[1],
        cards[1].count("train"),
        mesh.size,
        jax.process_count(),
        mesh.devices.flat[0].device_kind,
        precision.resolve(config, mesh.devices.flat[0]).execution.precision,
    )

    # -- state: the newest checkpoint, or the first state. A finished run is left as it is, unless
    # it was killed before its report.
    workdir.mkdir(parents=True, exist_ok=True)
    resumable = Resumable(workdir, config, facts, everywhere, start, keep)
    state = resumable.newest_state()
    images, per_step = _images(state, config), 2 * config.batch * config.execution.dispatch
    if images >= config.images and (workdir / train_report.NAME).exists():
        resumable.close()
        logging.info("Trained on %d images before.", images)
        return
    # Each process writes its own files; those of the first are the training folder itself.
    own = distributed.own_folder(workdir)
    (own / "config.json").write_text(overrides.to_json(config))
    # Lines logged after the checkpoint are going to be logged again.
    stats_log.forget_after(own, images)
    if images:
        logging.info("Continuing at image %d.", images)

    # -- step and monitoring: built once, and compiled when first called; that time does not count
    # as training. Signing is for the first process alone, as every file has one signature.
    step = train_step.make_step(config, mesh)
    preview = Preview(config, held_out, facts.names)
    marked = MarkedPreviews(resumable.facts) if distributed.is_first_process() else None
    measuring = [make(config.model, held_out) for make in measures]
    previews = own / "previews"
    previews.mkdir(exist_ok=True)
    people = source.at(int(state.step))
    monitor = Monitor(
        own,
        config,
        images=images,
        skipped=int(state.skipped),
        flops=flops.count_step(step, state, people) / config.execution.dispatch,
        peak=peak_flops.peak_of(list(mesh.devices.flat)),
        window=window,
    )

    # -- the loop: nothing here waits for the device, except where something is written
    pending: collections.deque[Any] = collections.deque(maxlen=_AHEAD)
    with monitor, _StopSignal() as stop, contextlib.closing(source), resumable:
        last = images >= config.images
        while not last:
            # -- dispatch: a transfer by accident would make every step wait, so none is allowed.
            people = source.at(images // (2 * config.batch))
            with jax.transfer_guard("disallow"):
                state, metrics = step(state, people)
            if len(pending) == _AHEAD:
                jax.block_until_ready(pending[0])
            pending.append(metrics)
            images += per_step
            monitor.advance(images)

            # -- decide: the signal is read once, so that one that comes during what follows ends
            # the next step, not this one halfway.
            stopped, finished = stop.requested(), images >= config.images
            last = finished or stopped
            log, show, save = (
                _due(images, per_step, every) or finished
                for every in (config.log_every, config.preview_every, config.checkpoint_every)
            )

            # -- check: nothing is saved that is not known to be finite, or a run that explodes
            # would go back to a state that has exploded already.
            if (log or save or stopped) and not monitor.log(metrics):
                if stopped:
                    break  # The newest checkpoint is good; the steps after it are done again.
                state = resumable.set_back(state)
                images, last = _images(state, config), False
                stats_log.forget_after(own, images)
                monitor.go_back(images, int(state.skipped))
                continue

            # -- show: every process runs the program of the grid, in which all devices take part,
            # and the first one writes the result.
            grid = preview.grid(state.ema) if show else None
            if grid is not None and marked:
                path = previews / f"{images:09d}.png"
                marked.write_frame(path, grid, int(state.step))
                monitor.log_preview(path)

            # -- save: with metrics of held-out crops, unless the machine is taken away. Then there
            # are only seconds, enough to keep what was learned but not to judge it.
            if save:
                measured = {n: v for measure in measuring for n, v in measure(state.ema).items()}
                monitor.log_held_out(measured)
                resumable.save(state, reconstruction.quality(measured))
                model_card.write(own, resumable.facts, images, measured)
            elif stopped:
                resumable.save(state, quality=None)
            if show or save:
                monitor.restart_clock()
        best = resumable.best

    # -- results: of a run that has reached its end, and by one process
    if images < config.images:
        logging.info("Stopped and saved at image %d; the same command continues.", images)
        return
    if not marked:
        return
    frames = sorted(previews.glob("[0-9]*[0-9].png"))
    marked.write_timelapse(workdir / "timelapse.mp4", frames, int(state.step))
    report = train_report.write(workdir, resumable.facts, best)
    logging.info("Trained on %d images; see %s.", images, report)


def _due(images: int, per_step: int, every: int) -> bool:
    """Whether the last step passed a multiple of `every` images."""
    return images // every != (images - per_step) // every


def _images(state: TrainState, config: Config) -> int:
    """Images of both identities seen until a state, as a number on the host."""
    return int(state.step) * 2 * config.batch


def _facts(
    config: Config,
    cards: list[identity_card.IdentityCard],
    identity_stats: tuple[IdentityStats, IdentityStats],
) -> CheckpointFacts:
    """Facts of the checkpoints of a run that begins with nothing."""
    a, b = map(IdentityFacts.of, cards, identity_stats)
    is_perceptual = schedule.in_use(config.loss.perceptual)
    models = (perceptual.weight_file(config.loss.perceptual_network),) if is_perceptual else ()
    return CheckpointFacts(config, (a, b), models)


class _StopSignal:
    """While entered, turns SIGTERM and SIGINT into requests to save and leave.

    Of several processes SIGTERM to one is meant for all, which leave after the same step; there
    JAX has taken over that signal, and a Ctrl-C ends the run at once.
    """

    def __init__(self) -> None:
        self._received, self._requests = False, 0

    def requested(self) -> bool:
        """Whether the run is to end after this step; to be called once after each."""
        self._requests += 1
        return self._received or distributed.should_stop(self._requests)

    def __enter__(self) -> _StopSignal:
        numbers = (signal.SIGTERM, signal.SIGINT) if jax.process_count() == 1 else ()
        self._before = {number: signal.signal(number, self._receive) for number in numbers}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, *_: object) -> None:
        self._received = True
