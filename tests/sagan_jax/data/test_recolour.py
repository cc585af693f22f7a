"""Changes of colour and light, against TensorFlow, scikit-image and their own statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
from skimage.color import rgb2hsv

from sagan_jax.data import recolour


@pytest.fixture
def images():
    return jax.random.uniform(jax.random.key(0), (4, 16, 16, 3))


def test_hsv_equals_scikit_image_and_back(images):
    hsv = recolour.rgb_to_hsv(images)
    np.testing.assert_allclose(hsv, rgb2hsv(images), atol=1e-5)
    np.testing.assert_allclose(recolour.hsv_to_rgb(hsv), images, atol=1e-5)
    greys = jnp.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.3, 0.3, 0.3]])
    np.testing.assert_allclose(recolour.hsv_to_rgb(recolour.rgb_to_hsv(greys)), greys, atol=1e-6)


def test_hue_and_saturation_equal_tensorflow(images):
    hsv = recolour.rgb_to_hsv(images)
    turned = recolour.hsv_to_rgb(hsv + jnp.array([0.2, 0.0, 0.0]))
    np.testing.assert_allclose(turned, tf.image.adjust_hue(images, 0.2), atol=1e-4)
    paler = recolour.hsv_to_rgb(hsv * jnp.array([1.0, 0.6, 1.0]))
    np.testing.assert_allclose(paler, tf.image.adjust_saturation(images, 0.6), atol=1e-4)


def test_light_jitter_stays_in_its_ranges(images):
    many = jnp.tile(0.4 * images[:1], (200, 1, 1, 1))
    result = recolour.jitter_light(jax.random.key(1), many, hue=18.0, saturation=0.0, exposure=0.5)
    before, after = (np.asarray(recolour.rgb_to_hsv(x)) for x in (many, result))
    turn = (after[..., 0] - before[..., 0] + 0.5) % 1 - 0.5
    stops = np.log2(after[..., 2] / before[..., 2])
    for change, largest in ((turn, 0.05), (stops, 0.5)):
        by_image = np.median(change, axis=(1, 2))
        assert np.abs(change - by_image[:, None, None]).max() < 1e-2  # the same for all its pixels
        assert 0.9 * largest < np.abs(by_image).max() <= largest + 1e-3
    np.testing.assert_allclose(before[..., 1], after[..., 1], atol=1e-3)


def test_no_jitter_changes_nothing(images):
    result = recolour.jitter_light(jax.random.key(1), images, hue=0.0, saturation=0.0, exposure=0.0)
    np.testing.assert_allclose(result, images, atol=1e-5)


def test_matched_faces_have_statistics_on_the_way_to_the_other():
    face = jnp.zeros((64, 16, 16, 1)).at[:, 4:12, 4:12].set(1.0)
    dark = 0.2 + 0.1 * jax.random.uniform(jax.random.key(0), (64, 16, 16, 3))
    bright = 0.5 + 0.3 * jax.random.uniform(jax.random.key(1), (64, 16, 16, 3))
    result = recolour.match_colours(jax.random.key(2), dark, face, bright, face, 0.5)

    def mean(x):
        return np.asarray(x)[:, 4:12, 4:12].mean((1, 2, 3))

    way = (mean(result) - mean(dark)) / (mean(bright) - mean(dark))
    recoloured = way > 1e-3
    assert 0.3 < recoloured.mean() < 0.7
    assert way.min() > -1e-3 and way.max() <= 1 and way[recoloured].std() > 0.15
    np.testing.assert_allclose(result[~recoloured], dark[~recoloured], atol=1e-5)
