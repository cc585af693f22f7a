"""The training loop: one story, top to bottom."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import pathlib
import signal
from collections.abc import Sequence
from typing import Any

import jax
from absl import logging

from data_prep import weights
from data_prep.dataset import identity_card
from data_prep.errors import InputError
from sagan_jax.checkpoints import model_card, stats_log
from sagan_jax.checkpoints.checkpoint import Facts, Keep
from sagan_jax.configs import overrides, schedule
from sagan_jax.configs.config import Config
from sagan_jax.configs.warm_start import Start
from sagan_jax.data.crop_source import open_source
from sagan_jax.devices import distributed, peak_flops
from sagan_jax.inputs.identity_stats import IdentityStats
from sagan_jax.losses import perceptual
from sagan_jax.networks import flops, precision
from sagan_jax.training import train_report
from sagan_jax.training import train_step as step_lib
from sagan_jax.training.marked_previews import Exhibit
from sagan_jax.training.monitor import Monitor, Window
from sagan_jax.training.resume import Resumable
from sagan_jax.training.train_state import TrainState
from sagan_jax.validation import reconstruction
from sagan_jax.validation.preview import Preview

# Steps handed to the device beyond the one it works on: it never waits, and a signal is
# answered after so many.
_AHEAD = 2


def train(
    config: Config,
    folders: tuple[pathlib.Path, pathlib.Path],
    workdir: pathlib.Path,
    *,
    start: Start | None = None,
    keep: Keep = Keep(),
    window: Window | None = None,
    measures: Sequence[reconstruction.MakeMeasure] = (reconstruction.make_measure,),
) -> None:
    """Trains, or continues, one model.

    Writes into `workdir`: `checkpoints/`, `stats.jsonl`, `tensorboard/`, `previews/*.png`,
    `config.json`, `MODEL_CARD.md`, `model_card.json`, and, at the end, `timelapse.mp4` and
    `report.html`.
    Killed at any time and called again it continues from the newest checkpoint, and ends
    with the same numbers as if it had never been killed. SIGTERM and Ctrl-C save first.
    Where at least half of the steps between two lines of the log are not finite, it goes back
    to the newest checkpoint and on with lower rates, at most five times.

    Args:
      config: what to train.
      folders: data sets of A and B.
      workdir: the training folder.
      start: another run to start from; of no meaning where this one is continued.
      keep: which checkpoints stay.
      window: steps to be profiled, into `profile/`.
      measures: make functions of the averaged generator to figures of held-out crops, by name;
        among them those of `holdout`; by these and those of `holdout_swap`, if they are there,
        the best checkpoint is chosen.

    Raises:
      InputError: if a data set cannot be used, the folder holds a run of another config, or
        losses stay not finite.
    """
    # -- data: both identities, whole or by windows, on every device
    cards = [identity_card.read_card(folder) for folder in folders]
    if cards[0].fingerprint == cards[1].fingerprint:
        raise InputError(f"{folders[1]}: is identity A again; a swap needs two people")
    names = cards[0].identity, cards[1].identity
    mesh = distributed.device_mesh(config.batch, accumulate=config.execution.accumulate)
    everywhere = distributed.replicated(mesh)
    source = open_source(config, folders, mesh)
    held_out = reconstruction.load(folders, config.model, source.identity_stats)
    logging.info(
        "A: %s, %d crops. B: %s, %d crops. %d device(s) of %d process(es): %s; computing in %s.",
        names[0], cards[0].count("train"), names[1], cards[1].count("train"),
        mesh.size, jax.process_count(), mesh.devices.flat[0].device_kind,
        precision.resolved(config, mesh.devices.flat[0]).execution.precision,
    )  # fmt: skip

    # -- state: the newest checkpoint, or a first one
    workdir.mkdir(parents=True, exist_ok=True)
    facts = _facts(config, cards, source.identity_stats)
    resumable = Resumable(workdir, config, facts, everywhere, start, keep)
    state = resumable.state()
    images, per_step = _images(state, config), 2 * config.batch * config.execution.dispatch
    if images >= config.images and (workdir / train_report.NAME).exists():
        resumable.close()
        logging.info("Trained on %d images before.", images)
        return
    own = distributed.own_folder(workdir)
    (own / "config.json").write_text(overrides.to_json(config))
    stats_log.forget_after(own, images)
    if images:
        logging.info("Continuing at image %d.", images)

    # -- what is watched
    step = step_lib.make_step(config, mesh)
    preview = Preview(config, held_out, names)
    exhibit = Exhibit(resumable.facts) if distributed.is_first() else None
    measuring = [make(config.model, held_out) for make in measures]
    previews = own / "previews"
    previews.mkdir(exist_ok=True)
    people = source.at(int(state.step))
    monitor = Monitor(
        own, config, images=images, skipped=int(state.skipped),
        flops=flops.of_step(step, state, people) / config.execution.dispatch,
        peak=peak_flops.of(list(mesh.devices.flat)),
        window=window,
    )  # fmt: skip

    # -- the loop: nothing here waits for the device, except where something is written
    pending: collections.deque[Any] = collections.deque(maxlen=_AHEAD)
    with monitor, _StopSignal() as stop, contextlib.closing(source), resumable:
        last = images >= config.images
        while not last:
            people = source.at(images // (2 * config.batch))
            # What is not sent on purpose would make every step wait.
            with jax.transfer_guard("disallow"):
                state, metrics = step(state, people)
            if len(pending) == _AHEAD:
                jax.block_until_ready(pending[0])
            pending.append(metrics)
            images += per_step
            monitor.advance(images)
            # Asked once, so that a signal during what follows ends the next step, not this.
            stopped, finished = stop.requested(), images >= config.images
            last = finished or stopped
            log, show, save = (
                _due(images, per_step, every) or finished
                for every in (config.log_every, config.preview_every, config.checkpoint_every)
            )
            if (log or save or stopped) and not monitor.log(metrics):
                if stopped:
                    break  # The newest checkpoint is good; what came after is done again.
                state = resumable.set_back(state)
                images, last = _images(state, config), False
                stats_log.forget_after(own, images)
                monitor.go_back(images, int(state.skipped))
                continue
            grid = preview.grid(state.ema) if show else None
            if grid is not None and exhibit:
                path = previews / f"{images:09d}.png"
                exhibit.picture(path, grid, int(state.step))
                monitor.show(path)
            if save:
                measured = {n: v for measure in measuring for n, v in measure(state.ema).items()}
                monitor.measured(measured)
                resumable.save(state, reconstruction.quality(measured))
                model_card.write(own, resumable.facts, images, measured)
            elif stopped:
                # Who takes a machine away waits for seconds: what was learned is kept, not judged.
                resumable.save(state, quality=None)
            if show or save:
                monitor.restart_clock()
        best = resumable.best
    if images < config.images:
        logging.info("Stopped and saved at image %d; the same command continues.", images)
        return
    if not exhibit:
        return
    # -- what came of it
    pictures = sorted(previews.glob("[0-9]*[0-9].png"))
    exhibit.timelapse(workdir / "timelapse.mp4", pictures, int(state.step))
    report = train_report.write(workdir, resumable.facts, best)
    logging.info("Trained on %d images; see %s.", images, report)


def _due(images: int, per_step: int, every: int) -> bool:
    """Whether a multiple of `every` was passed in the last step."""
    return images // every != (images - per_step) // every


def _images(state: TrainState, config: Config) -> int:
    return int(state.step) * 2 * config.batch


def _facts(
    config: Config,
    cards: list[identity_card.IdentityCard],
    identity_stats: tuple[IdentityStats, IdentityStats],
) -> Facts:
    """What a checkpoint says about itself; `models` are those whose weights taught it."""
    identities = [
        dataclasses.asdict(card)
        | {name: value.tolist() for name, value in portrait._asdict().items()}
        for card, portrait in zip(cards, identity_stats, strict=True)
    ]
    taught = schedule.in_use(config.loss.perceptual)
    models = [perceptual.weight_file(config.loss.perceptual_network)] if taught else []
    return {
        "config": json.loads(overrides.to_json(config)),
        "identities": identities,
        "models": weights.licences(models),
    }


class _StopSignal:
    """While it is entered, SIGTERM and SIGINT are requests to save and leave.

    Of several processes SIGTERM to one is meant for all, which leave after the same step; JAX
    has taken that signal. A Ctrl-C there ends the run at once.
    """

    def __init__(self) -> None:
        self._here, self._asked = False, 0

    def requested(self) -> bool:
        """Whether this step is the last; asked after each."""
        self._asked += 1
        return self._here or distributed.all_stop(self._asked)

    def __enter__(self) -> _StopSignal:
        ours = (signal.SIGTERM, signal.SIGINT) if jax.process_count() == 1 else ()
        self._before = {number: signal.signal(number, self._request) for number in ours}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _request(self, *_: object) -> None:
        self._here = True
