"""Output and norm of the networks of faceswap-GAN."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from sagan_jax.networks import faceswap_gan
from sagan_jax.networks.discriminator import make_discriminator
from tests.support.small_model import SMALL, init_generator


def test_the_decoder_outputs_colours_and_the_discriminator_patch_scores():
    config = dataclasses.replace(
        SMALL,
        architecture="faceswap_gan",
        encoder_widths=(8, 8, 8, 16, 16),
        decoder_widths=(8, 8, 8),
        spectral_norm=False,
    )
    generator, variables, x = init_generator(config)
    out = jax.jit(generator.apply)(variables, x)
    assert out.rgb.shape == (*x.shape[:-1], 3) and out.smaller == ()
    assert 0 <= out.rgb.min() < out.rgb.max() <= 1
    discriminator = make_discriminator(config)
    scores, _ = jax.eval_shape(discriminator.init_with_output, jax.random.key(0), x[0], x[0])
    assert scores.shape == (3, 16, 16, 1)


def test_the_norm_is_over_the_whole_map():
    x = 3 * jax.random.normal(jax.random.key(0), (2, 4, 5, 6)) + 1
    y, _ = faceswap_gan.MapNorm().init_with_output(jax.random.key(1), x)
    flat = np.asarray(x).reshape(2, -1)
    expected = (flat - flat.mean(1, keepdims=True)) / (flat.std(1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(np.asarray(y).reshape(2, -1), expected, atol=1e-5)
    gradient = jax.grad(
        lambda x: faceswap_gan.MapNorm().init_with_output(jax.random.key(1), x)[0].sum()
    )
    assert np.isfinite(gradient(jnp.ones((1, 4, 4, 2)))).all()
