"""The generator's input, by hand: nothing but the face and the sketch reaches it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sagan_jax.configs.presets import PRESETS
from sagan_jax.inputs import generator_input
from sagan_jax.inputs.sketch import render_sketch

_MEAN, _STD = np.float32([0.5, 0.4, 0.3]), np.float32([0.2, 0.1, 0.3])
_SKETCHED, _FACE, _CROP = (
    dataclasses.replace(PRESETS["demo64"]().model, sees=sees)
    for sees in ("face_and_sketch", "face", "crop")
)


@pytest.fixture
def crops():
    images = np.asarray(jax.random.uniform(jax.random.key(0), (2, 64, 64, 3)))
    guides = np.zeros((2, 64, 64, 3), np.float32)
    guides[:, 20:50, 10:54, 0] = 1
    guides[:, 28:34, 18:28, 1] = 1
    guides[:, 30:32, 20:26, 2] = 0.5
    return images, guides


def test_colours_are_normalised_by_those_of_the_footage(crops):
    images, guides = crops
    whole = generator_input.make_input(images, guides, _MEAN, _STD, _CROP)
    np.testing.assert_allclose(whole, (images - _MEAN) / _STD, rtol=1e-5)
    inside = guides[..., 0] == 1
    alone = np.asarray(generator_input.make_input(images, guides, _MEAN, _STD, _FACE))
    np.testing.assert_allclose(alone[inside], np.asarray(whole)[inside], atol=1e-5)
    inside &= guides[..., 1] == 0
    eyeless = np.asarray(generator_input.make_input(images, guides, _MEAN, _STD, _SKETCHED))
    np.testing.assert_allclose(eyeless[inside][:, :3], np.asarray(whole)[inside], atol=1e-5)


@pytest.mark.parametrize("config", [_SKETCHED, _FACE])
def test_the_surroundings_do_not_reach_the_generator(crops, config):
    images, guides = crops
    elsewhere = np.where(guides[..., :1] == 1, images, 1 - images)
    one, other = (
        generator_input.make_input(x, guides, _MEAN, _STD, config) for x in (images, elsewhere)
    )
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_only_the_sketch_of_the_eyes_reaches_the_generator(crops):
    images, guides = crops
    others = np.where(guides[..., 1:2] == 1, 1 - images, images)
    one, other = (
        generator_input.make_input(x, guides, _MEAN, _STD, _SKETCHED) for x in (images, others)
    )
    np.testing.assert_allclose(one, other, atol=1e-5)
    assert one.shape[1:] == _SKETCHED.input_shape
    assert set(np.unique(one[..., 3])) == {0, 2}


def test_guides_are_the_first_channels_of_the_masks():
    random = np.random.default_rng(0)
    masks = {
        name: random.integers(0, 2, (256, 256, 1), np.uint8) * 255 for name in ("face", "eyes")
    }
    landmarks = random.uniform(0, 256, (478, 2)).astype(np.float32)
    guides = generator_input.make_guides(masks, landmarks)
    for i, name in enumerate(generator_input.MASK_CHANNELS[:2]):
        np.testing.assert_array_equal(guides[..., i : i + 1], masks[name])
    np.testing.assert_array_equal(guides[..., 2:], render_sketch(landmarks, 256))
    np.testing.assert_array_equal(generator_input.guide_channels(np.arange(4)), np.arange(3))


def test_pixels_that_are_half_face_count_as_outside():
    values = generator_input.inner_region(np.float32([[0.0, 0.5, 0.75, 1.0]]))
    np.testing.assert_allclose(values, [[0, 0, 0.5, 1]])
    assert values.dtype == jnp.float32
