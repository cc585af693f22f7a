"""Two real processes against one."""

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time

import jax
import optax
import pytest

from data_prep.errors import InputError
from sagan_jax.checkpoints import checkpoint
from sagan_jax.configs import overrides
from sagan_jax.data import crop_source
from sagan_jax.devices import distributed
from sagan_jax.training import train_state, train_step
from tests.support import ROOT
from tests.support.tiny_run import SMALLEST, write_data_set

pytestmark = pytest.mark.usefixtures("compiled_quickly")

# Networks of 16 px: what is compiled here is compiled by three processes.
_PARTS = ("model", "loss", "augment", "optimiser")
_FLAGS = [
    "--preset=demo64", "--batch=8", "--images=100000", "--set=log_every=16",
    *(
        f"--set={part}.{name}={json.dumps(value)}"
        for part in _PARTS
        for name, value in dataclasses.asdict(getattr(SMALLEST, part)).items()
    ),
]  # fmt: skip


def _start(process, port, arguments):
    command = [
        sys.executable, "-m", "launch.train", *_FLAGS, *arguments,
        f"--coordinator=localhost:{port}", "--num_processes=2", f"--process_id={process}",
    ]  # fmt: skip
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "2"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def _logged(workdir):
    path = workdir / "stats.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    values = [json.loads(line) for line in lines if line.endswith("\n")]
    return [value for value in values if "generator" in value]


def test_two_processes_equal_one_and_a_signal_to_one_stops_both(tmp_path):
    folders = tuple(write_data_set(tmp_path / name, i, 20) for i, name in enumerate("ab"))
    workdir = tmp_path / "run"
    arguments = [f"--a={folders[0]}", f"--b={folders[1]}", f"--workdir={workdir}"]
    port = _free_port()
    with contextlib.ExitStack() as ended:
        processes = [ended.enter_context(_start(i, port, arguments)) for i in (0, 1)]
        for process in processes:
            ended.callback(process.kill)
        while len(_logged(workdir)) < 4 and all(p.poll() is None for p in processes):
            time.sleep(0.02)
        processes[1].send_signal(signal.SIGTERM)
        said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert all("Stopped and saved" in words and "4 device(s) of 2" in words for words in said)

    logged = _logged(workdir)
    with checkpoint.Checkpoints(workdir) as checkpoints:
        assert checkpoints.latest * 16 == logged[-1]["images"]
        config = overrides.from_dict(checkpoints.facts()["config"])
        mesh = distributed.device_mesh(config.batch)
        create = jax.jit(lambda key: train_state.create(key, config))
        now = create(train_state.root_key(config.seed))
        shapes = checkpoint.abstract_like(now.ema, distributed.replicated(mesh))
        saved = checkpoints.restore(ema=shapes)["ema"]
    crops, taken = (
        crop_source.open_source(config, folders, mesh),
        train_step.make_step(config, mesh),
    )
    for line in logged:
        now, metrics = taken(now, crops.at(0))
        if line["images"] <= 64:
            for name in ("generator", "reconstruction", "critic", "gradient_norm"):
                assert float(metrics[name]) == pytest.approx(line[name], rel=1e-3), name
    moved = optax.tree.norm(optax.tree.sub(now.ema, create(train_state.root_key(config.seed)).ema))
    apart = optax.tree.norm(optax.tree.sub(now.ema, saved))
    assert float(apart) < 0.05 * float(moved)


def test_who_does_not_find_the_others_is_told(monkeypatch):
    def alone(*_, **__):
        raise RuntimeError("DEADLINE_EXCEEDED: Barrier timed out\nand more")

    monkeypatch.setattr(jax.distributed, "initialize", alone)
    with pytest.raises(InputError, match=r"process 1 of 2 found no others .*timed out"):
        distributed.initialise("host:1", 2, 1)


def test_a_batch_in_parts_divides_over_the_devices_and_the_parts():
    with pytest.raises(InputError, match="over 4 devices in 2 parts each; use a multiple of 8"):
        distributed.device_mesh(4, accumulate=2)
    assert distributed.device_mesh(8, accumulate=2).size == 4
