"""Augmentation of the discriminators' input, against SciPy and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from sagan_jax.data import diff_augment


@pytest.fixture
def images():
    return jax.random.uniform(jax.random.key(0), (4, 16, 16, 3))


def test_translation_equals_scipy(images):
    shifts = jnp.array([[0, 0], [2, -1], [-3, 3], [1, 0]], jnp.int32)
    ours = diff_augment.translate(images, shifts)
    for image, shift, result in zip(np.asarray(images), shifts, ours, strict=True):
        expected = ndimage.shift(image, (*shift, 0), order=0, cval=0.0)
        np.testing.assert_allclose(result, expected, atol=1e-6)


def test_shifts_reach_an_eighth_both_ways():
    shifts = np.asarray(diff_augment.random_shifts(jax.random.key(0), 500, 64))
    assert shifts.min() == -8 and shifts.max() == 8


def test_a_hole_has_at_most_half_the_side():
    holes = 1 - np.asarray(diff_augment.cutout_mask(jax.random.key(0), 300, 16))
    areas = holes.sum((1, 2, 3))
    assert areas.max() == 64 and areas.min() >= 16 and set(np.unique(holes)) == {0.0, 1.0}


def test_jittered_colours_equal_the_published_chain(images):
    key = jax.random.key(3)
    ours = diff_augment.jitter_colours(key, images)
    uniform = np.asarray(jax.random.uniform(key, (3, 4, 1, 1, 1)))
    # The paper's operations are for -1..1: brightness u - 0.5, saturation 2 u, contrast u + 0.5.
    x = 2 * np.asarray(images) - 1 + uniform[0] - 0.5
    x = (x - x.mean(-1, keepdims=True)) * 2 * uniform[1] + x.mean(-1, keepdims=True)
    whole = x.mean((1, 2, 3), keepdims=True)
    x = (x - whole) * (uniform[2] + 0.5) + whole
    np.testing.assert_allclose(ours, (x + 1) / 2, atol=1e-5)


def test_the_condition_moves_along_and_gradients_flow_back(images):
    def total(images):
        augmented, condition = diff_augment.diff_augment(jax.random.key(5), images, images)
        return augmented.sum(), (augmented, condition)

    gradient, (augmented, condition) = jax.grad(total, has_aux=True)(images)
    blank = np.asarray(condition == 0).all(-1)
    assert blank.any() and not blank.all()
    # Blank is mid grey in the image.
    np.testing.assert_allclose(np.asarray(augmented)[blank], 0.5, atol=1e-6)
    assert np.abs(gradient).sum() > 0 and np.isfinite(gradient).all()
