"""Continuation of pictures on cases whose answer is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from sagan_jax.inputs.push_pull import extrapolate


@pytest.fixture
def pictures():
    noise = np.random.default_rng(0).uniform(0.2, 0.8, (2, 48, 48, 3))
    return jnp.asarray(scipy.ndimage.gaussian_filter(noise, (0, 4, 4, 0)), jnp.float32)


def _disc(side: int, radius: float) -> jax.Array:
    rows, columns = np.indices((side, side)) - (side - 1) / 2
    return jnp.asarray(np.hypot(rows, columns) < radius, jnp.float32)[None, ..., None]


def test_what_is_known_stays(pictures):
    disc = _disc(48, 15)
    result = extrapolate(pictures, jnp.broadcast_to(disc, (2, 48, 48, 1)))
    inside = np.asarray(disc[0, ..., 0]) > 0
    np.testing.assert_allclose(result[:, inside], pictures[:, inside], atol=1e-6)
    np.testing.assert_array_equal(extrapolate(pictures, jnp.ones((2, 48, 48, 1))), pictures)


@pytest.mark.parametrize("side", [1, 5, 24, 48, 64])
def test_one_colour_goes_on_as_itself(side):
    colour = jnp.array([0.2, 0.5, 0.7])
    known = jnp.zeros((1, side, side, 1)).at[:, side // 2, side // 2].set(1.0)
    result = extrapolate(colour * known, known)
    np.testing.assert_allclose(result, jnp.broadcast_to(colour, result.shape), atol=1e-5)


def test_it_invents_no_colours(pictures):
    disc = jnp.broadcast_to(_disc(48, 15), (2, 48, 48, 1))
    result = np.asarray(extrapolate(pictures, disc))
    known = np.asarray(pictures)[np.asarray(disc[..., 0]) > 0]
    assert known.min() - 1e-5 <= result.min() and result.max() <= known.max() + 1e-5


def test_beyond_the_edge_is_what_is_near_it(pictures):
    """Against the nearest known pixel: near it, and nearer than the mean of all."""
    disc = _disc(48, 15)
    result = extrapolate(pictures, jnp.broadcast_to(disc, (2, 48, 48, 1)))
    away, nearest = scipy.ndimage.distance_transform_edt(disc[0, ..., 0] == 0, return_indices=True)
    ring = (away > 0) & (away <= 3)
    expected = np.asarray(pictures)[:, nearest[0][ring], nearest[1][ring]]
    error = np.abs(np.asarray(result)[:, ring] - expected).mean()
    mean = np.asarray(pictures)[:, np.asarray(disc[0, ..., 0]) > 0].mean(1, keepdims=True)
    assert error < 0.35 * np.abs(mean - expected).mean()


def test_nothing_known_is_black(pictures):
    assert not extrapolate(pictures, jnp.zeros((2, 48, 48, 1))).any()
