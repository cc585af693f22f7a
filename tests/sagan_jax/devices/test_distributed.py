"""Two real processes against one, and batches that do not divide."""

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
from sagan_jax.data import crop_source
from sagan_jax.devices import distributed
from sagan_jax.training import train_state, train_step
from tests.support import ROOT
from tests.support.tiny_run import SMALLEST, write_data_set

pytestmark = pytest.mark.usefixtures("compiled_quickly")

# Networks of 16 px, because three processes compile them.
_PARTS = ("model", "loss", "augment", "optimiser")
_FLAGS = [
    "--preset=demo64",
    "--batch=8",
    "--images=100000",
    "--set=log_every=16",
    *(
        f"--set={part}.{name}={json.dumps(value)}"
        for part in _PARTS
        for name, value in dataclasses.asdict(getattr(SMALLEST, part)).items()
    ),
]


def _start(process, port, arguments):
    command = [
        sys.executable,
        "-m",
        "launch.train",
        *_FLAGS,
        *arguments,
        f"--coordinator=localhost:{port}",
        "--num_processes=2",
        f"--process_id={process}",
    ]
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


def _run_two_processes(folders, workdir):
    """Trains in two processes, sends SIGTERM to one after four logged steps, and awaits both.

    Returns:
      Exit code and standard error of each process.
    """
    arguments = [f"--a={folders[0]}", f"--b={folders[1]}", f"--workdir={workdir}"]
    port = _free_port()
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(_start(i, port, arguments)) for i in (0, 1)]
        for process in processes:
            stack.callback(process.kill)
        while len(_logged(workdir)) < 4 and all(p.poll() is None for p in processes):
            time.sleep(0.02)
        processes[1].send_signal(signal.SIGTERM)
        logs = [process.communicate(timeout=120)[1] for process in processes]
    return [process.returncode for process in processes], logs


def test_two_processes_equal_one_and_a_signal_to_one_stops_both(tmp_path):
    folders = tuple(write_data_set(tmp_path / name, i, 20) for i, name in enumerate("ab"))
    workdir = tmp_path / "run"
    codes, logs = _run_two_processes(folders, workdir)
    assert codes == [0, 0], logs
    assert all("Stopped and saved" in log and "4 device(s) of 2" in log for log in logs)

    logged = _logged(workdir)
    with checkpoint.Checkpoints(workdir) as checkpoints:
        assert checkpoints.latest * 16 == logged[-1]["images"]
        config = checkpoints.facts().config
        mesh = distributed.device_mesh(config.batch)
        create = jax.jit(lambda key: train_state.create(key, config))
        start = create(train_state.root_key(config.seed))
        shapes = checkpoint.abstract_like(start.ema, distributed.replicated_sharding(mesh))
        saved = checkpoints.restore(ema=shapes)["ema"]

    # The same steps in this process alone. They overwrite the memory of `start`, which is created
    # again below.
    now, crops = start, crop_source.open_source(config, folders, mesh)
    step = train_step.make_step(config, mesh)
    for line in logged:
        now, metrics = step(now, crops.at(0))
        if line["images"] <= 64:
            for name in ("generator", "reconstruction", "discriminator", "gradient_norm"):
                assert float(metrics[name]) == pytest.approx(line[name], rel=1e-3), name
    moved = optax.tree.norm(optax.tree.sub(now.ema, create(train_state.root_key(config.seed)).ema))
    apart = optax.tree.norm(optax.tree.sub(now.ema, saved))
    assert float(apart) < 0.05 * float(moved)


def test_a_process_that_finds_no_others_is_an_input_error(monkeypatch):
    def alone(*_, **__):
        raise RuntimeError("DEADLINE_EXCEEDED: Barrier timed out\nand more")

    monkeypatch.setattr(jax.distributed, "initialize", alone)
    with pytest.raises(InputError, match=r"process 1 of 2 found no others .*timed out") as error:
        distributed.initialise("host:1", 2, 1)
    assert error.value.setting == "coordinator" and "host:1" in str(error.value)


def test_a_batch_must_divide_over_devices_and_parts():
    message = "a batch of 4 does not divide over 4 devices in 2 parts each; use a multiple of 8"
    with pytest.raises(InputError, match=message) as error:
        distributed.device_mesh(4, accumulate=2)
    assert error.value.setting == "batch"
    assert distributed.device_mesh(8, accumulate=2).size == 4
