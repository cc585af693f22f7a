"""Resampling against TensorFlow."""

import jax.numpy as jnp
import numpy as np
import tensorflow as tf

from sagan_jax.networks import resampling


def test_pixel_shuffle_equals_tensorflow():
    x = np.random.default_rng(0).normal(size=(2, 5, 7, 12)).astype(np.float32)
    shuffled = resampling.depth_to_space(jnp.asarray(x))
    np.testing.assert_array_equal(shuffled, tf.nn.depth_to_space(x, 2))
    np.testing.assert_array_equal(resampling.space_to_depth(shuffled), x)


def test_pooling_leaves_at_most_so_many_positions():
    assert resampling.pool(jnp.zeros((1, 64, 64, 8)), 1024).shape == (1, 32, 32, 8)
    assert resampling.pool(jnp.zeros((1, 32, 32, 8)), 1024).shape == (1, 32, 32, 8)
