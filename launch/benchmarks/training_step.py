"""Speed of the training step: with and without its data, in the training loop, against faceswap-GAN
in other programs, and at best on a GPU."""

from __future__ import annotations

import dataclasses
import functools
import json
import logging as stdlib_logging
import pathlib
import re
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from data_prep.errors import InputError
from launch.benchmarks import roofline
from launch.benchmarks.harness import Cost, Table, Value, alternate, cost_of
from sagan_jax.configs import config as config_lib
from sagan_jax.configs.config import Config, ExecutionConfig
from sagan_jax.configs.presets import PRESETS
from sagan_jax.data import crop_source, identity_crops
from sagan_jax.devices import distributed
from sagan_jax.inputs import identity_stats
from sagan_jax.inputs.generator_input import MASK_CHANNELS
from sagan_jax.networks import precision
from sagan_jax.training import train, train_state, train_step

_CROPS = 512
_LOOP_STEPS = 200


def tables(
    folders: tuple[pathlib.Path, pathlib.Path] | None, steps: int, rounds: int
) -> Iterator[Table]:
    """Measures the step of `demo64`.

    Args:
      folders: data sets of two people, to measure the training loop as well; None to skip it.
      steps: number of steps in one measurement.
      rounds: number of alternating measurements.
    """
    config = PRESETS["demo64"]()
    yield _data_cost(config, steps, rounds)
    if folders:
        yield _loop_cost(config, folders, rounds)


def peer_table(peers: Sequence[str], steps: int, rounds: int) -> Table:
    """Measures the step of `faceswap_gan64` against the same networks in other programs.

    Args:
      peers: commands that print `s/iter X` and `images/s Y`, where an iteration is one update of
        all four networks, each on its own images.
      steps: number of this project's steps in one measurement.
      rounds: number of alternating measurements.

    Raises:
      InputError: if a peer prints something else, or its batch size differs.
    """
    config = PRESETS["faceswap_gan64"]()
    run = _TrainingRun(config)
    ours = f"`{config.preset}`, one fused step"
    costs = alternate(
        {ours: lambda: run.take(steps)}
        | {f"`{peer}`": functools.partial(_peer_cost, peer, config.batch) for peer in peers},
        rounds,
    )
    # A step takes a batch of each person, hence twice the batch in images/s.
    own = costs[ours][1].wall_ms
    return Table(
        "An update of both generators and both discriminators, "
        f"{config.batch} + {config.batch} images, float32",
        [
            {
                "what": name,
                "s": least.wall_ms / 1000,
                "median s": median.wall_ms / 1000,
                "images/s": 1000 * 2 * config.batch / median.wall_ms,
                "of ours": median.wall_ms / own,
            }
            for name, (least, median) in costs.items()
        ],
        [
            f"{rounds} alternating rounds, ratio of medians. Images/s: those a generator is "
            "updated on. Ours updates the discriminators on the same images; it also samples and "
            "augments them, averages the generator and has all losses of the preset, while the "
            "peers' images are noise made in advance."
        ],
    )


def roofline_table() -> Table:
    """Counts the arithmetic of a training step of every preset, and its roofline on an H100."""
    records: list[dict[str, Value]] = []
    for name, preset in PRESETS.items():
        # The data sheet of the device states its rates in bfloat16.
        execution = ExecutionConfig(precision="bfloat16")
        config = dataclasses.replace(preset(), execution=execution)
        products = roofline.products(config)
        images, device = 2 * config.batch, roofline.H100
        flops = sum(product.flops for product in products)
        moved = sum(product.bytes for product in products)
        record: dict[str, Value] = {
            "preset": f"`{name}`",
            "GFLOP an image": flops / images / 1e9,
            "MB an image": moved / images / 1e6,
            "images/s by arithmetic": images / (flops / device.flops),
            "by memory": images / (moved / device.bandwidth),
            "product by product": images / roofline.seconds(products, device),
        }
        records.append(record)
    return Table(
        "What a training step needs, and how fast it can be at best on an H100 (bfloat16)",
        records,
        [
            f"By arithmetic: {roofline.H100.flops / 1e12:.0f} TFLOP/s over the FLOPs of an image. "
            f"By memory: {roofline.H100.bandwidth / 1e12:.2f} TB/s over operands and results of "
            "its convolutions and matrix products, and the state in the update, read and written "
            "once each. Product by product: each takes the longer of both. Batch of the preset, "
            "all that a step computes: generators, discriminators, augmentation. Counted, not "
            "measured; kernel launches come on top."
        ],
    )


def _data_cost(config: Config, steps: int, rounds: int) -> Table:
    """Compares a step that samples and augments its batch with one on a constant batch."""
    sampling, constant = _TrainingRun(config), _TrainingRun(config, constant=True)
    costs = alternate(
        {
            "resident data, sampled and augmented": functools.partial(sampling.take, steps),
            "one constant batch": functools.partial(constant.take, steps),
        },
        rounds,
    )
    return _table(f"What its data cost the step of `{config.preset}`", costs, "one constant batch")


def _loop_cost(config: Config, folders: crop_source.Folders, rounds: int) -> Table:
    """Compares the training loop, and steps on streamed data, with the steps alone."""
    configs = {
        data: dataclasses.replace(config, execution=ExecutionConfig(data=data))
        for data in ("resident", "stream")
    }
    # Both runs sample from the same data sets; only where these are kept differs.
    mesh = distributed.device_mesh(config.batch)
    sources = [crop_source.open_source(one, folders, mesh) for one in configs.values()]
    resident, streamed = (_TrainingRun(config, data=source.at) for source in sources)
    costs = alternate(
        {
            "the steps alone": functools.partial(resident.take, _LOOP_STEPS),
            "the loop of launch.train": lambda: _train(config, folders),
            "the steps alone, data streamed": functools.partial(streamed.take, _LOOP_STEPS),
        },
        rounds,
    )
    for source in sources:
        source.close()
    title = f"{_LOOP_STEPS} steps of `{config.preset}` in the loop, and by a stream"
    return _table(title, costs, "the steps alone")


class _TrainingRun:
    """A training run that takes steps on demand.

    Args:
      config: configuration of the run.
      constant: whether all steps use one batch, sampled in advance.
      data: function from the number of a step to the crops to sample from; default: noise.
    """

    def __init__(
        self, config: Config, *, constant: bool = False, data: Callable[[int], Any] | None = None
    ):
        mesh = distributed.device_mesh(config.batch)
        replicated = distributed.replicated_sharding(mesh)
        people = distributed.replicate((_noise(config, 0), _noise(config, 1)), mesh)
        self._data = data or (lambda step: people)
        self._count = 0
        fresh = jax.jit(
            functools.partial(train_state.create, config=config), out_shardings=replicated
        )
        self._state = fresh(train_state.root_key(config.seed))
        self._step = train_step.make_step(config, mesh)
        if constant:
            # The step is taken apart: the batch is sampled here, once, and only the update remains.
            config = precision.resolve(config, mesh.devices.flat[0])
            key = jax.random.key(1)
            sample = jax.jit(functools.partial(train_step.sample_batch, config=config))
            batch = sample(key, people, self._state.images_seen(config))
            update = jax.jit(
                functools.partial(train_step.update, perceptual_params=None, config=config),
                donate_argnums=0,
            )
            self._step = lambda state, people: update(state, batch, people, key)

    def take(self, steps: int) -> Cost:
        """Takes a number of steps; returns the cost of one."""
        return cost_of(lambda: self._take(steps), steps)

    def _take(self, steps: int) -> None:
        for _ in range(steps):
            self._state, _ = self._step(self._state, self._data(self._count))
            self._count += 1
        # JAX computes asynchronously: without waiting only the dispatch would be timed.
        jax.block_until_ready(self._state)


def _noise(config: Config, seed: int) -> identity_crops.IdentityCrops:
    random, side = np.random.default_rng(seed), config.model.resolution
    images = random.integers(0, 256, (_CROPS, side, side, 3), np.uint8)
    masks = np.zeros((_CROPS, side, side, len(MASK_CHANNELS)), np.uint8)
    masks[:, side // 8 : -side // 8, side // 8 : -side // 8] = 255
    return identity_crops.IdentityCrops(
        images, masks, *identity_stats.face_colour(images, masks[..., :1])
    )


def _train(config: Config, folders: crop_source.Folders) -> Cost:
    """Trains for three lines of the log; returns the cost of a step by the second one.

    The first line includes the compilation.
    """
    every = _LOOP_STEPS * 2 * config.batch
    config = dataclasses.replace(
        config_lib.lengthened(config, 3 * every),
        log_every=every,
        checkpoint_every=10 * every,
        preview_every=10 * every,
    )
    stdlib_logging.getLogger("absl").setLevel(stdlib_logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        workdir = pathlib.Path(name)
        train.train(config, folders, workdir)
        lines = map(json.loads, (workdir / "stats.jsonl").read_text().splitlines())
        rates = [line["images_per_second"] for line in lines if "images_per_second" in line]
    return Cost(float("nan"), 1000 * 2 * config.batch / rates[1])


def _peer_cost(command: str, batch: int) -> Cost:
    """Runs a peer, whose batch size has to be `batch`; returns the wall time of an iteration."""
    done = subprocess.run(shlex.split(command), capture_output=True, text=True)
    found = re.search(r"s/iter ([\d.]+) images/s ([\d.]+)", done.stdout)
    if done.returncode or not found:
        last = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise InputError(
            f"{command}: did not print `s/iter X images/s Y` but: {last}", setting="peer_command"
        )
    seconds, rate = map(float, found.groups())
    # An iteration updates four networks, each on a batch of its own.
    if (theirs := round(seconds * rate / 4)) != batch:
        raise InputError(
            f"{command}: its batch size is {theirs}, ours {batch}", setting="peer_command"
        )
    return Cost(float("nan"), 1000 * seconds)


def _table(title: str, costs: dict[str, tuple[Cost, Cost]], to: str) -> Table:
    records: list[dict[str, Value]] = [
        {
            "what": name,
            "ms a step": least.wall_ms,
            "median ms": median.wall_ms,
            "ratio": least.wall_ms / costs[to][0].wall_ms,
        }
        for name, (least, median) in costs.items()
    ]
    return Table(
        title, records, ["Wall time, least and median of alternating rounds; ratio of the least."]
    )
