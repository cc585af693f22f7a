"""What the generator is shown: by hand, and that nothing but the face reaches it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sagan_jax import sight
from sagan_jax.config import ModelConfig

_MEAN, _STD = np.float32([0.5, 0.4, 0.3]), np.float32([0.2, 0.1, 0.3])
_FACE, _CROP = ModelConfig(), ModelConfig(sees="crop")


@pytest.fixture
def crops():
    images = np.asarray(jax.random.uniform(jax.random.key(0), (2, 64, 64, 3)))
    face = np.zeros((2, 64, 64, 1), np.float32)
    face[:, 20:50, 10:54] = 1
    return images, face


def test_colours_are_those_of_the_footage(crops):
    images, face = crops
    whole = sight.seen(images, face, _MEAN, _STD, _CROP)
    np.testing.assert_allclose(whole, (images - _MEAN) / _STD, rtol=1e-5)
    inside = face[..., 0] == 1
    alone = np.asarray(sight.seen(images, face, _MEAN, _STD, _FACE))
    np.testing.assert_allclose(alone[inside], np.asarray(whole)[inside], atol=1e-5)


def test_what_is_around_the_face_does_not_reach_the_generator(crops):
    images, face = crops
    elsewhere = np.where(face == 1, images, 1 - images)
    one, other = (sight.seen(x, face, _MEAN, _STD, _FACE) for x in (images, elsewhere))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_pixels_half_of_the_face_count_as_outside():
    values = sight.within(np.float32([[0.0, 0.5, 0.75, 1.0]]))
    np.testing.assert_allclose(values, [[0, 0, 0.5, 1]])
    assert values.dtype == jnp.float32
