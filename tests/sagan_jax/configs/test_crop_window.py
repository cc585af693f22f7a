"""The window of a crop that the networks see, against OpenCV."""

import cv2
import numpy as np
import pytest

from sagan_jax.configs.crop_window import CropWindow


@pytest.fixture
def crop():
    noise = np.random.default_rng(0).uniform(0.2, 0.8, (16, 16, 3)).astype(np.float32)
    return cv2.resize(noise, (256, 256), interpolation=cv2.INTER_CUBIC)


def test_all_columns_are_a_plain_resize(crop):
    seen = CropWindow(64).of(crop)
    np.testing.assert_array_equal(seen, cv2.resize(crop, (64, 64), interpolation=cv2.INTER_AREA))
    larger = cv2.resize(seen, (256, 256), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(CropWindow(64).back(seen, 256), np.clip(larger, 0, 1))


def test_the_middle_columns_are_spread():
    columns = np.broadcast_to(np.arange(256, dtype=np.float32), (256, 256))
    # The 192 columns from 32 on, three to a pixel.
    np.testing.assert_allclose(CropWindow(64, 0.75).of(columns)[0], 33 + 3 * np.arange(64))


def test_a_window_put_back_is_the_crop_with_its_edge_continued(crop):
    crop_window = CropWindow(128, 0.75)
    back = crop_window.back(crop_window.of(crop), 256)
    np.testing.assert_allclose(back[:, 34:-34], crop[:, 34:-34], atol=0.02)
    np.testing.assert_array_equal(back[:, :32], np.repeat(back[:, 32:33], 32, 1))


def test_bytes_and_floats_are_put_back_alike(crop):
    crop_window = CropWindow(64, 0.75)
    small = (255 * crop_window.of(crop)).astype(np.uint8)
    back = crop_window.back(small, 256)
    assert back.dtype == np.uint8
    floats = crop_window.back(small.astype(np.float32) / 255, 256)
    np.testing.assert_allclose(back, 255 * floats, atol=1)


def test_fewer_columns_keep_more_detail(crop):
    def lost(crop_window):
        return np.abs(crop_window.back(crop_window.of(crop), 256) - crop)[:, 40:-40].mean()

    assert lost(CropWindow(32, 0.75)) < 0.8 * lost(CropWindow(32))


def test_a_single_channel_loses_its_axis(crop):
    mask = (crop[..., :1] > 0.5).astype(np.uint8) * 255
    seen = CropWindow(64, 0.75).of(mask)
    assert seen.shape == (64, 64) and seen.dtype == np.uint8
    assert CropWindow(64, 0.75).back(seen[..., None].astype(np.float32) / 255, 256).shape == (
        256,
        256,
    )
