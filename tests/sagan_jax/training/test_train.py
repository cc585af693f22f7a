"""The step on several devices, and runs that are stopped, killed, continued and set back."""

import dataclasses
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import jax
import numpy as np
import pytest

from data_prep.errors import InputError
from sagan_jax.checkpoints import checkpoint, migrations, stats_log
from sagan_jax.checkpoints.keep import Keep
from sagan_jax.configs import overrides, presets, schedule
from sagan_jax.configs.config import Config
from sagan_jax.configs.warm_start import Start, Take
from sagan_jax.devices import distributed
from sagan_jax.provenance import verify
from sagan_jax.training import initialise, resume, train, train_state, train_step
from tests.support import ROOT
from tests.support.tiny_run import CONFIG, PEOPLE, write_data_set

pytestmark = pytest.mark.usefixtures("compiled_quickly")

# One layer of each kind: these tests compile the step a dozen times.
_MODEL = dataclasses.replace(
    CONFIG.model, encoder_widths=(8, 8, 8), decoder_widths=(8,), discriminator_widths=(8,)
)
_CONFIG = dataclasses.replace(
    CONFIG,
    model=_MODEL,
    log_every=16,
    checkpoint_every=32,
    preview_every=64,
    loss=dataclasses.replace(CONFIG.loss, adversarial=((16, 0.0), (25, 0.03))),
    optimiser=dataclasses.replace(CONFIG.optimiser, warmup=16),
)


def _run(mesh, steps=3, config=_CONFIG):
    """State and metrics after a few steps on synthetic people."""
    people = jax.device_put(PEOPLE, distributed.replicated_sharding(mesh))
    now = jax.jit(lambda key: train_state.create(key, config))(train_state.root_key(0))
    now = jax.device_put(now, distributed.replicated_sharding(mesh))
    compiled = train_step.make_step(config, mesh)
    for _ in range(steps):
        now, metrics = compiled(now, people)
        # Virtual devices that share a core miss each other's sums where many steps are queued,
        # and XLA then ends the process.
        jax.block_until_ready(metrics)
    return jax.device_get((now, metrics))


def test_four_devices_equal_one():
    one, four = (
        _run(distributed.device_mesh(_CONFIG.batch, jax.devices()[:count])) for count in (1, 4)
    )
    for name in ("reconstruction", "discriminator", "gradient_norm"):
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
    # Against a generator that learns, too, discriminators need not win; against one that does not,
    # they have to.
    still = dataclasses.replace(_CONFIG.optimiser, generator_rate=0.0)
    config = dataclasses.replace(_CONFIG, optimiser=still)
    first, later = _run(mesh, 1, config)[1], _run(mesh, 60, config)[1]
    assert later["discriminator"] < first["discriminator"] - 0.02


def test_schedules_at_known_points():
    demo = presets.demo64().optimiser
    optimiser = dataclasses.replace(demo, warmup=100, final_rate=0.1, ema_halflife=1000)
    rate = [float(schedule.learning_rate_factor(i, optimiser, 1000)) for i in (0, 50, 500, 1000)]
    assert rate == pytest.approx([0, 0.5, 1, 0.1])
    table = ((200, 0.0), (300, 0.03), (500, 0.03), (500, 0.01))
    weight = [float(schedule.at(table, i)) for i in (0, 200, 250, 300, 499, 501, 900)]
    assert weight == pytest.approx([0, 0, 0.015, 0.03, 0.03, 0.01, 0.01])
    assert schedule.in_use(table) and schedule.in_use(0.5) and not schedule.in_use(0.0)
    # After one half-life of images half of the old average is left.
    assert float(schedule.ema_decay(1e6, optimiser, 1000)) == pytest.approx(0.5)


def test_config_survives_json():
    assert overrides.from_dict(json.loads(overrides.to_json(_CONFIG))) == _CONFIG


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Two small data sets."""
    folder = tmp_path_factory.mktemp("people")
    return write_data_set(folder / "a", 0, 20), write_data_set(folder / "b", 1, 30, holdout=7)


def _final(workdir: pathlib.Path) -> dict:
    """Everything in the newest checkpoint."""
    shapes = jax.eval_shape(lambda key: train_state.create(key, _CONFIG), jax.random.key(0))
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
    program = (
        f"import sys, pathlib; sys.path.insert(0, {str(ROOT)!r})\n"
        "from tests import conftest; from tests.sagan_jax.training import test_train\n"
        "from sagan_jax.training import train\n"
        "a, b, workdir = map(pathlib.Path, sys.argv[1:])\n"
        "train.train(test_train._CONFIG, (a, b), workdir)\n"
    )
    command = [sys.executable, "-c", program, *map(str, people), str(tmp_path / "killed")]
    for lines in (2, 5):  # killed somewhere after that, at another place each time
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        stats = tmp_path / "killed" / "stats.jsonl"
        while process.poll() is None and not _has_lines(stats, lines):
            time.sleep(0.01)
        time.sleep(random.random())
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


def test_sigterm_saves_and_ends_the_run_without_an_error(people, tmp_path):
    long = dataclasses.replace(_CONFIG, images=1_000_000, checkpoint_every=1_000_000)
    stats, sent = tmp_path / "run" / "stats.jsonl", []

    def terminate() -> None:
        while not _has_lines(stats, 2):
            time.sleep(0.01)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGTERM)

    def never(params):
        raise AssertionError("there is no time to measure held-out crops")

    before = signal.getsignal(signal.SIGTERM)
    threading.Thread(target=terminate, daemon=True).start()
    train.train(long, people, tmp_path / "run", measures=[lambda *_: never])
    assert time.monotonic() - sent[0] < 10
    assert signal.getsignal(signal.SIGTERM) == before
    with checkpoint.Checkpoints(tmp_path / "run") as checkpoints:
        assert checkpoints.latest is not None


def test_another_config_in_the_same_folder_is_refused(people, trained):
    with pytest.raises(InputError, match="seed was 0, is 7"):
        train.train(dataclasses.replace(_CONFIG, seed=7), people, trained)


def test_a_checkpoint_of_another_schema_is_refused(people, trained, monkeypatch):
    monkeypatch.setattr(migrations, "CONTINUABLE", ("9.9.9",))
    monkeypatch.setattr(migrations, "SCHEMA_VERSION", "9.9.9")
    with pytest.raises(InputError, match=r"checkpoint of schema 1\.7\.0, this version reads 9"):
        train.train(_CONFIG, people, trained)


def test_one_person_is_not_enough(people, tmp_path):
    with pytest.raises(InputError, match="is identity A again"):
        train.train(_CONFIG, (people[0], people[0]), tmp_path)


def test_a_checkpoint_goes_on_with_another_number_of_devices(people, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    facts = checkpoint.Checkpoints(trained).facts()
    after = []
    for count in (4, 1):
        mesh = distributed.device_mesh(_CONFIG.batch, jax.devices()[:count])
        everywhere = distributed.replicated_sharding(mesh)
        with resume.Resumable(tmp_path / "run", _CONFIG, facts, everywhere) as resumable:
            before = resumable.newest_state()
        assert before.step.sharding.device_set == set(jax.devices()[:count])
        crops = jax.device_put(PEOPLE, everywhere)
        compiled = train_step.make_step(_CONFIG, mesh)
        average = jax.device_get(before.ema)  # before it is given away
        after.append((average, jax.device_get(compiled(before, crops)[1])))
    jax.tree.map(np.testing.assert_array_equal, after[0][0], after[1][0])
    assert after[0][1]["reconstruction"] == pytest.approx(after[1][1]["reconstruction"], rel=1e-3)


def test_a_run_of_schema_1_6_0_is_continued(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    path = tmp_path / "run" / "checkpoints" / "12" / "facts" / "metadata"
    values = json.loads(path.read_text()) | {"schema_version": "1.6.0"}
    loss = values["config"]["loss"]
    for old, new in migrations._RENAMED_LOSS_FIELDS.items():
        loss[old] = loss.pop(new)
    path.write_text(json.dumps(values))
    facts = checkpoint.Checkpoints(trained).facts()
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    with resume.Resumable(tmp_path / "run", _CONFIG, facts, here) as resumable:
        assert resumable.facts == facts
        state = jax.device_get(resumable.newest_state())
    jax.tree.map(np.testing.assert_array_equal, state.ema, _final(trained)["ema"])


def test_previews_and_timelapse_are_marked_and_the_report_is_self_contained(trained):
    for path in (trained / "previews" / "000000064.png", trained / "timelapse.mp4"):
        assert verify.verify(path).verdict is verify.Verdict.MARKED, path
    page = (trained / "report.html").read_text()
    assert "synthetic" in page and "best, kept" in page and page.count("<svg") == 6
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    line = stats_log.read(trained)[-1]
    assert 0 < line["holdout_lpips_a"] < 2 and -1 < line["holdout_ssim_b"] < 1


def _explosive() -> Config:
    """A config whose rate is far too high in the step after the 40th image, and only there."""
    rate = ((0, 1.0), (40, 1.0), (40, 1e25), (41, 1e25), (41, 1.0))
    return dataclasses.replace(_CONFIG, optimiser=dataclasses.replace(_CONFIG.optimiser, rate=rate))


def test_a_run_that_explodes_goes_back_and_on(people, tmp_path, monkeypatch):
    monkeypatch.setattr(train_step, "SETBACK", 1e-25)
    config, keep = _explosive(), Keep(latest=9)
    train.train(config, people, tmp_path / "whole", keep=keep)
    lines = stats_log.read(tmp_path / "whole")
    assert [line["setbacks"] for line in lines if "setbacks" in line] == [0, 0, 1, 1, 1, 1]
    # Continued from before the setback: it comes again, and to the same end.
    shutil.copytree(tmp_path / "whole", tmp_path / "resumed")
    for name in ("8", "12"):
        shutil.rmtree(tmp_path / "resumed" / "checkpoints" / name)
    (tmp_path / "resumed" / "report.html").unlink()
    train.train(config, people, tmp_path / "resumed", keep=keep)
    whole, resumed = (_final(tmp_path / name) for name in ("whole", "resumed"))
    jax.tree.map(np.testing.assert_array_equal, whole, resumed)
    assert whole["training"].setbacks == 1


def test_going_back_again_and_again_ends(people, trained, tmp_path):
    everywhere = distributed.replicated_sharding(distributed.device_mesh(_CONFIG.batch))
    shutil.copytree(trained, tmp_path / "run")
    facts = checkpoint.Checkpoints(trained).facts()
    with resume.Resumable(tmp_path / "run", _CONFIG, facts, everywhere) as resumable:
        now = resumable.newest_state()
        for count in range(1, 6):
            now = resumable.set_back(now)
            assert int(now.setbacks) == count
        with pytest.raises(InputError, match="before image 96, after going back 5 times"):
            resumable.set_back(now)


def test_a_new_person_leaves_the_old_decoder_as_it_is(people, trained):
    """B of the trained run becomes A, beside somebody new."""
    config = dataclasses.replace(_CONFIG, freeze=("encoder", "decoder_a"))
    mesh = distributed.device_mesh(_CONFIG.batch)
    everywhere, start = distributed.replicated_sharding(mesh), Start(trained, take=Take.PEOPLE)
    fresh = jax.jit(lambda key: train_state.create(key, config))(train_state.root_key(3))
    fresh = jax.device_put(fresh, everywhere)
    begun = initialise.initialise(fresh, start, config, ("person 1", "new"))
    old, untrained = _final(trained)["ema"], jax.device_get(begun.ema["decoders_1"])
    crops = jax.device_put(PEOPLE, everywhere)
    compiled = train_step.make_step(config, mesh)
    for _ in range(4):
        begun, metrics = compiled(begun, crops)
    for tree in jax.device_get((begun.generator, begun.ema)):
        jax.tree.map(np.testing.assert_array_equal, tree["encoder"], old["encoder"])
        jax.tree.map(np.testing.assert_array_equal, tree["decoders_0"], old["decoders_1"])
        moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), tree["decoders_1"], untrained)
        assert max(jax.tree.leaves(moved)) > 1e-5
    assert np.isfinite(metrics["generator"])
    assert [one.identity for one in initialise.ancestry(start)] == ["person 0", "person 1"]
    with pytest.raises(InputError, match="new is not in the run this starts from"):
        wrong = dataclasses.replace(_CONFIG, freeze=("decoder_b",))
        initialise.initialise(begun, start, wrong, ("person 1", "new"))


def test_each_person_starts_as_the_one_of_that_name_or_in_the_free_place():
    origins = initialise._origins
    assert origins(("a", "b"), ("b", "c"), Take.ENCODER) == (None, None)
    assert origins(("a", "b"), ("b", "c"), Take.PEOPLE) == (1, None)
    assert origins(("a", "b"), ("b", "c"), Take.ALL) == (1, 0)
    assert origins(("a", "b"), ("c", "d"), Take.ALL) == (0, 1)


def test_parts_are_kept_only_of_another_run(people, tmp_path):
    config = dataclasses.replace(_CONFIG, freeze=("encoder",))
    with pytest.raises(InputError, match="name the run to start from"):
        train.train(config, people, tmp_path)
