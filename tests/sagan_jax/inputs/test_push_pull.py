"""Continuation of images in cases whose answer is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from sagan_jax.inputs.push_pull import extrapolate


@pytest.fixture
def images():
    noise = np.random.default_rng(0).uniform(0.2, 0.8, (2, 48, 48, 3))
    return jnp.asarray(scipy.ndimage.gaussian_filter(noise, (0, 4, 4, 0)), jnp.float32)


def _disc(side: int, radius: float) -> jax.Array:
    rows, columns = np.indices((side, side)) - (side - 1) / 2
    return jnp.asarray(np.hypot(rows, columns) < radius, jnp.float32)[None, ..., None]


def test_known_pixels_stay(images):
    disc = _disc(48, 15)
    result = extrapolate(images, jnp.broadcast_to(disc, (2, 48, 48, 1)))
    inside = np.asarray(disc[0, ..., 0]) > 0
    np.testing.assert_allclose(result[:, inside], images[:, inside], atol=1e-6)
    np.testing.assert_array_equal(extrapolate(images, jnp.ones((2, 48, 48, 1))), images)


@pytest.mark.parametrize("side", [1, 5, 24, 48, 64])
def test_a_single_colour_is_continued_as_itself(side):
    colour = jnp.array([0.2, 0.5, 0.7])
    known = jnp.zeros((1, side, side, 1)).at[:, side // 2, side // 2].set(1.0)
    result = extrapolate(colour * known, known)
    np.testing.assert_allclose(result, jnp.broadcast_to(colour, result.shape), atol=1e-5)


def test_continued_colours_lie_between_the_known_ones(images):
    disc = jnp.broadcast_to(_disc(48, 15), (2, 48, 48, 1))
    result = np.asarray(extrapolate(images, disc))
    known = np.asarray(images)[np.asarray(disc[..., 0]) > 0]
    assert known.min() - 1e-5 <= result.min() and result.max() <= known.max() + 1e-5


def test_the_continuation_resembles_the_nearest_known_pixels(images):
    """It differs from the nearest known pixel far less than the mean colour does."""
    disc = _disc(48, 15)
    result = extrapolate(images, jnp.broadcast_to(disc, (2, 48, 48, 1)))
    away, nearest = scipy.ndimage.distance_transform_edt(disc[0, ..., 0] == 0, return_indices=True)
    ring = (away > 0) & (away <= 3)
    expected = np.asarray(images)[:, nearest[0][ring], nearest[1][ring]]
    error = np.abs(np.asarray(result)[:, ring] - expected).mean()
    mean = np.asarray(images)[:, np.asarray(disc[0, ..., 0]) > 0].mean(1, keepdims=True)
    assert error < 0.35 * np.abs(mean - expected).mean()


def test_an_unknown_image_is_black(images):
    assert not extrapolate(images, jnp.zeros((2, 48, 48, 1))).any()
