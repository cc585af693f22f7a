"""How fast a training step is: with and without its data, in the loop and alone, against the
ancestor elsewhere; and what it would be at best on a GPU."""

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
from sagan_jax.inputs.generator_input import MASKS
from sagan_jax.networks import precision
from sagan_jax.training import train, train_state, train_step

_CROPS = 512
_LOOP_STEPS = 200


def tables(
    folders: tuple[pathlib.Path, pathlib.Path] | None, steps: int, rounds: int
) -> Iterator[Table]:
    """The step of `demo64`.

    Args:
      folders: data sets of two people, for what needs some.
      steps: of one measurement.
      rounds: alternating measurements of each.
    """
    yield _data_cost(PRESETS["demo64"](), steps, rounds)
    if folders:
        yield _loop(PRESETS["demo64"](), folders, rounds)


def peer_table(peers: Sequence[str], steps: int, rounds: int) -> Table:
    """The step of `ancestor64` against the same networks elsewhere.

    Args:
      peers: commands that print `s/iter X` and `images/s Y`, where an iteration is one update of
        all four networks on images of their own.
      steps: of ours in one measurement.
      rounds: alternating measurements of each.

    Raises:
      InputError: if a peer prints something else, or works on batches of another size.
    """
    config = PRESETS["ancestor64"]()
    run = _Run(config)
    ours = f"`{config.preset}`, one fused step"
    costs = alternate(
        {ours: lambda: run.take(steps)}
        | {f"`{peer}`": functools.partial(_peer_cost, peer, config.batch) for peer in peers},
        rounds,
    )
    own = costs[ours][1].wall_ms
    return Table(
        f"An update of both generators and both critics, {config.batch} + {config.batch} images, "
        "float32",
        [
            {"what": name, "s": least.wall_ms / 1000, "median s": median.wall_ms / 1000,
             "images/s": 1000 * 2 * config.batch / median.wall_ms,
             "of ours": median.wall_ms / own}
            for name, (least, median) in costs.items()
        ],
        [
            f"{rounds} alternating rounds, ratio of medians. Images/s: those a generator is "
            "updated on. Ours updates the critics on the same images; it also draws and augments "
            "them, averages the generator and has all losses of the preset, where the peers' "
            "images are noise made at once."
        ],
    )  # fmt: skip


def roofline_table() -> Table:
    """Arithmetic of training, and the roofline of an H100."""
    records: list[dict[str, Value]] = []
    for name, preset in PRESETS.items():
        execution = ExecutionConfig(precision="bfloat16")
        config = dataclasses.replace(preset(), execution=execution)
        products = roofline.products(config)
        images, device = 2 * config.batch, roofline.H100
        flops, moved = (sum(getattr(p, what) for p in products) for what in ("flops", "bytes"))
        records.append({
            "preset": f"`{name}`",
            "GFLOP an image": flops / images / 1e9,
            "MB an image": moved / images / 1e6,
            "images/s by arithmetic": images / (flops / device.flops),
            "by memory": images / (moved / device.bandwidth),
            "product by product": images / roofline.seconds(products, device),
        })  # fmt: skip
    return Table(
        "What a training step needs, and how fast it can be at best on an H100 (bfloat16)",
        records,
        [
            f"By arithmetic: {roofline.H100.flops / 1e12:.0f} TFLOP/s over the FLOPs of an image. "
            f"By memory: {roofline.H100.bandwidth / 1e12:.2f} TB/s over operands and results of "
            "its convolutions and matrix products, and the state in the update, read and written "
            "once each. Product by product: each takes the longer of both. Batch of the preset, "
            "all that a step computes: both players, augmentation. Not measured: no GPU was at "
            "hand; launches come on top."
        ],
    )


def _data_cost(config: Config, steps: int, rounds: int) -> Table:
    """The step that draws and augments its batch against one on a batch that stays."""
    whole, constant = _Run(config), _Run(config, constant=True)
    costs = alternate(
        {
            "resident data, drawn and augmented": functools.partial(whole.take, steps),
            "one constant batch": functools.partial(constant.take, steps),
        },
        rounds,
    )
    return _compared(
        f"What its data cost the step of `{config.preset}`", costs, "one constant batch"
    )


def _loop(config: Config, folders: crop_source.Folders, rounds: int) -> Table:
    """The training loop between two lines of its log against the steps alone; and a stream."""
    asked = {
        data: dataclasses.replace(config, execution=ExecutionConfig(data=data))
        for data in ("resident", "stream")
    }
    mesh = distributed.device_mesh(config.batch)
    sources = {name: crop_source.open_source(one, folders, mesh) for name, one in asked.items()}
    resident, streamed = (_Run(config, data=one.at) for one in sources.values())
    costs = alternate(
        {
            "the steps alone": functools.partial(resident.take, _LOOP_STEPS),
            "the loop of launch.train": lambda: _trained(config, folders),
            "the steps alone, data streamed": functools.partial(streamed.take, _LOOP_STEPS),
        },
        rounds,
    )
    for one in sources.values():
        one.close()
    title = f"{_LOOP_STEPS} steps of `{config.preset}` in the loop, and by a stream"
    return _compared(title, costs, "the steps alone")


class _Run:
    """A run on random crops, to take steps of.

    Args:
      config: of the run.
      constant: whether the batch is drawn once and stays.
      data: what to draw from, default crops of noise.
    """

    def __init__(
        self, config: Config, *, constant: bool = False, data: Callable[[int], Any] | None = None
    ):
        mesh = distributed.device_mesh(config.batch)
        everywhere = distributed.replicated(mesh)
        people = distributed.place((_noise(config, 0), _noise(config, 1)), mesh)
        self._data = data or (lambda step: people)
        self._count = 0
        fresh = jax.jit(
            functools.partial(train_state.create, config=config), out_shardings=everywhere
        )
        self._state = fresh(train_state.root_key(config.seed))
        self._step = train_step.make_step(config, mesh)
        if constant:
            config = precision.resolved(config, mesh.devices.flat[0])
            key = jax.random.key(1)
            draw = jax.jit(functools.partial(train_step.sample_batch, config=config))
            batch = draw(key, people, self._state.images_seen(config))
            update = jax.jit(
                functools.partial(train_step.update, frozen=None, config=config), donate_argnums=0
            )
            self._step = lambda state, people: update(state, batch, people, key)

    def take(self, steps: int) -> Cost:
        """What one of so many steps costs."""
        return cost_of(lambda: self._take(steps), steps)

    def _take(self, steps: int) -> None:
        for _ in range(steps):
            self._state, _ = self._step(self._state, self._data(self._count))
            self._count += 1
        jax.block_until_ready(self._state)


def _noise(config: Config, seed: int) -> identity_crops.Identity:
    random, side = np.random.default_rng(seed), config.model.resolution
    images = random.integers(0, 256, (_CROPS, side, side, 3), np.uint8)
    masks = np.zeros((_CROPS, side, side, len(MASKS)), np.uint8)
    masks[:, side // 8 : -side // 8, side // 8 : -side // 8] = 255
    return identity_crops.Identity(
        images, masks, *identity_stats.face_colour(images, masks[..., :1])
    )


def _trained(config: Config, folders: crop_source.Folders) -> Cost:
    """A step of the loop, by the clock of its own log, after the first line."""
    every = _LOOP_STEPS * 2 * config.batch
    config = dataclasses.replace(
        config_lib.lengthened(config, 3 * every), log_every=every,
        checkpoint_every=10 * every, preview_every=10 * every,
    )  # fmt: skip
    stdlib_logging.getLogger("absl").setLevel(stdlib_logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        workdir = pathlib.Path(name)
        train.train(config, folders, workdir)
        lines = map(json.loads, (workdir / "stats.jsonl").read_text().splitlines())
        rates = [line["images_per_second"] for line in lines if "images_per_second" in line]
    return Cost(float("nan"), 1000 * 2 * config.batch / rates[1])


def _peer_cost(command: str, batch: int) -> Cost:
    """Wall time of an iteration of the peer, which has to work on batches of that size."""
    done = subprocess.run(shlex.split(command), capture_output=True, text=True)
    found = re.search(r"s/iter ([\d.]+) images/s ([\d.]+)", done.stdout)
    if done.returncode or not found:
        last = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise InputError(f"--peer_command: did not print `s/iter X images/s Y` but: {last}")
    seconds, rate = map(float, found.groups())
    if (theirs := round(seconds * rate / 4)) != batch:
        raise InputError(f"{command}: works on batches of {theirs}, ours of {batch}")
    return Cost(float("nan"), 1000 * seconds)


def _compared(title: str, costs: dict[str, tuple[Cost, Cost]], to: str) -> Table:
    records: list[dict[str, Value]] = [
        {"what": name, "ms a step": least.wall_ms, "median ms": median.wall_ms,
         "ratio": least.wall_ms / costs[to][0].wall_ms}
        for name, (least, median) in costs.items()
    ]  # fmt: skip
    return Table(
        title, records, ["Wall time, least and median of alternating rounds; ratio of the least."]
    )
