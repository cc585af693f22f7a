"""Monitoring of a run: speed, doubt of the discriminators, skipped steps."""

import dataclasses
import time
import types

import cv2
import numpy as np
import pytest

from sagan_jax.checkpoints import stats_log
from sagan_jax.configs import presets
from sagan_jax.devices import peak_flops
from sagan_jax.training.monitor import _UNDECIDED, Monitor

_DEMO = presets.demo64()
_CONFIG = dataclasses.replace(
    _DEMO, batch=4, images=80, loss=dataclasses.replace(_DEMO.loss, adversarial=0.03)
)


def _monitor(folder, config=_CONFIG):
    known = peak_flops.Peak(1e9, "test")
    return Monitor(folder, config, images=0, skipped=0, flops=8e6, peak=known)


def _metrics(skipped=0, **more):
    return {"skipped": np.int32(skipped)} | {k: np.float32(v) for k, v in more.items()}


def test_metrics_and_previews_are_written_where_tensorboard_finds_them(tmp_path):
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
        monitor.log_preview(preview)
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


def test_a_log_line_with_half_of_its_steps_skipped_is_unhealthy(tmp_path):
    monitor = _monitor(tmp_path)
    for images, skipped, healthy in ((32, 1, True), (64, 3, False), (72, 3, True)):
        monitor.advance(images)
        assert monitor.log(_metrics(skipped)) == healthy
    monitor.go_back(32, 1)
    monitor.advance(40)
    assert not monitor.log(_metrics(2, generator=np.nan))
    assert stats_log.read(tmp_path)[-1]["generator"] is None


@pytest.mark.parametrize(("kind", "guessing"), [("hinge", 2.0), ("relativistic", 1.0)])
def test_a_discriminator_that_is_always_right_is_reported(tmp_path, caplog, kind, guessing):
    loss = dataclasses.replace(_DEMO.loss, adversarial=0.03, discriminator_loss=kind)
    config = dataclasses.replace(_DEMO, batch=4, loss=loss)
    monitor = _monitor(tmp_path, config)
    for images in range(8, 72, 8):
        monitor.advance(images)
        monitor.log(_metrics(discriminator=guessing if images == 8 else 0.01 * guessing))
    doubts = [line["discriminator_doubt"] for line in stats_log.read(tmp_path)]
    assert doubts[0] == 1 and doubts[-1] == pytest.approx(0.01)
    assert caplog.text.count("always right") == 1


def test_the_mixup_loss_of_a_guessing_discriminator_is_the_variance_of_the_shares():
    shares = np.random.default_rng(0).beta(0.2, 0.2, 200_000)
    assert _UNDECIDED["mixup"] == pytest.approx(np.square(shares - 0.5).mean(), rel=0.01)


def test_the_peak_of_known_devices_is_in_a_table_and_of_others_measured():
    def devices(*kinds):
        return [types.SimpleNamespace(device_kind=kind, platform="gpu") for kind in kinds]

    assert peak_flops.peak_of(devices("NVIDIA H100 80GB HBM3")).flops == 989e12
    assert (
        peak_flops.peak_of(devices("NVIDIA A100-SXM4-40GB", "NVIDIA A100-SXM4-40GB")).flops
        == 624e12
    )
    assert peak_flops.peak_of(devices("NVIDIA L40S")).flops == 362e12
    import jax

    measured = peak_flops.peak_of(jax.devices())
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
