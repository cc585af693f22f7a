"""What is said of a run: speed, balance of the players, steps that were not taken."""

import time
import types

import cv2
import numpy as np
import pytest

from sagan_jax.checkpoints import stats_log
from sagan_jax.configs.config import Config, LossConfig
from sagan_jax.devices import peak_flops
from sagan_jax.training import monitor as monitor_lib

_CONFIG = Config(batch=4, images=80, loss=LossConfig(adversarial=0.03))


def _monitor(folder, config=_CONFIG):
    known = peak_flops.Peak(1e9, "test")
    return monitor_lib.Monitor(folder, config, images=0, skipped=0, flops=8e6, peak=known)


def _metrics(skipped=0, **more):
    return {"skipped": np.int32(skipped)} | {k: np.float32(v) for k, v in more.items()}


def test_figures_are_written_where_tensorboard_finds_them(tmp_path):
    import tensorflow as tf
    from tensorflow.core.util import event_pb2

    with _monitor(tmp_path) as monitor:
        time.sleep(0.2)  # compiles
        monitor.advance(8)
        monitor.advance(48)
        time.sleep(0.1)
        assert monitor.log(_metrics(generator=0.5))
        preview = tmp_path / "preview.png"
        cv2.imwrite(str(preview), np.zeros((8, 6, 3), np.uint8))
        monitor.show(preview)
    (line,) = stats_log.read(tmp_path)
    # 1 MFLOP an image, 40 images in a tenth of a second: 0.4 GFLOP/s of 1.
    assert 0.2 < line["share_of_peak"] <= 0.4
    assert line["step_ms"] == pytest.approx(8000 / line["images_per_second"])
    assert line["tflops"] == pytest.approx(line["images_per_second"] * 1e-6)
    (file,) = (tmp_path / "tensorboard").iterdir()
    events = [event_pb2.Event.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(file))]
    shown = {v.tag: (e.step, v) for e in events for v in e.summary.value}
    assert shown["generator"][0] == 48 and shown["generator"][1].simple_value == 0.5
    step, value = shown["preview"]
    assert (step, value.image.height, value.image.width) == (48, 8, 6)
    assert value.image.encoded_image_string == preview.read_bytes()


def test_half_of_the_steps_skipped_is_no_health(tmp_path):
    monitor = _monitor(tmp_path)
    for images, skipped, healthy in ((32, 1, True), (64, 3, False), (72, 3, True)):
        monitor.advance(images)
        assert monitor.log(_metrics(skipped)) == healthy
    monitor.go_back(32, 1)
    monitor.advance(40)
    assert not monitor.log(_metrics(2, generator=np.nan))
    assert stats_log.read(tmp_path)[-1]["generator"] is None


@pytest.mark.parametrize(("critic", "guessing"), [("hinge", 2.0), ("relativistic", 1.0)])
def test_a_critic_that_is_always_right_is_reported(tmp_path, caplog, critic, guessing):
    config = Config(batch=4, loss=LossConfig(adversarial=0.03, critic=critic))
    monitor = _monitor(tmp_path, config)
    for images in range(8, 72, 8):
        monitor.advance(images)
        monitor.log(_metrics(critic=guessing if images == 8 else 0.01 * guessing))
    doubts = [line["critic_doubt"] for line in stats_log.read(tmp_path)]
    assert doubts[0] == 1 and doubts[-1] == pytest.approx(0.01)
    assert caplog.text.count("always right") == 1


def test_what_mixup_expects_of_a_critic_that_guesses():
    shares = np.random.default_rng(0).beta(0.2, 0.2, 200_000)
    assert monitor_lib._UNDECIDED["mixup"] == pytest.approx(
        np.square(shares - 0.5).mean(), rel=0.01
    )


def test_peaks():
    def devices(*kinds):
        return [types.SimpleNamespace(device_kind=kind, platform="gpu") for kind in kinds]

    assert peak_flops.of(devices("NVIDIA H100 80GB HBM3")).flops == 989e12
    assert peak_flops.of(devices("NVIDIA A100-SXM4-40GB", "NVIDIA A100-SXM4-40GB")).flops == 624e12
    assert peak_flops.of(devices("NVIDIA L40S")).flops == 362e12
    import jax

    measured = peak_flops.of(jax.devices())
    assert 1e9 < measured.flops < 1e13 and "matrix product" in measured.source


def test_lines_cut_off_or_too_late_are_dropped(tmp_path):
    stats_log.append(tmp_path, 8, {"a": 1.0})
    stats_log.append(tmp_path, 16, {"a": float("inf"), "holdout_b": 2.0})
    with (tmp_path / stats_log.NAME).open("a") as file:
        file.write('{"images": 24, "a"')
    assert stats_log.read(tmp_path)[1] == {"images": 16, "a": None, "holdout_b": 2.0}
    assert stats_log.held_out(tmp_path, 16) == {"holdout_b": 2.0}
    stats_log.forget_after(tmp_path, 8)
    assert [line["images"] for line in stats_log.read(tmp_path)] == [8]
