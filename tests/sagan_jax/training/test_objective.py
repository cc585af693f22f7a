"""Inputs of generator and discriminators in the losses, against the same composed by hand."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sagan_jax.configs import presets
from sagan_jax.data.augment import Augmented
from sagan_jax.data.identity_crops import IdentityCrops
from sagan_jax.inputs.push_pull import extrapolate
from sagan_jax.networks.generator import DecoderOutput, Generator
from sagan_jax.training import objective
from tests.support.tiny_run import SMALLEST

_DEMO, _MODEL = presets.demo64(), SMALLEST.model
_CONFIG = dataclasses.replace(_DEMO, model=_MODEL, loss=dataclasses.replace(_DEMO.loss, cycle=1.0))


@pytest.fixture
def batch():
    keys = jax.random.split(jax.random.key(0), 4)
    shape = (2, 3, 16, 16, 3)
    crops = [jax.random.uniform(key, shape) for key in keys[:3]]
    masks = jnp.round(jax.random.uniform(keys[3], (*shape[:-1], 4)))
    inputs = jnp.concatenate([crops[0] * 2 - 1, masks[..., 2:3]], -1)
    return Augmented(inputs, crops[1], masks[..., :3], crops[2], masks)


def test_the_cycle_goes_by_the_other_decoder_and_its_colours(batch):
    people = tuple(
        IdentityCrops(None, None, jnp.full(3, 0.4 + 0.1 * i), jnp.full(3, 0.2 + 0.1 * i))
        for i in (0, 1)
    )
    generator = Generator(_MODEL)
    params = jax.jit(generator.init)(jax.random.key(1), batch.input)["params"]
    generated = jax.jit(lambda p: objective.generate(p, batch, people, _CONFIG))(params)

    @functools.partial(jax.jit, static_argnums=(0, 2))
    def apply(method, x, *who):
        return generator.apply({"params": params}, x, *who, method=method)

    for own, other in ((0, 1), (1, 0)):
        code = apply("encode", batch.input[own])
        crossed = apply("decode", code, other)
        eyes, sketch = batch.guides[own, ..., 1:2], batch.guides[own, ..., 2:3]
        inner = jnp.clip(2 * crossed.mask - 1, 0, 1) * (1 - eyes)
        face = extrapolate(crossed.rgb, inner) - people[other].mean
        again = apply("encode", jnp.concatenate([face / people[other].std, 4 * sketch], -1))
        np.testing.assert_allclose(generated.code[own], code, atol=1e-5)
        np.testing.assert_allclose(generated.crossed_code[own], again, atol=1e-4)
        np.testing.assert_allclose(
            generated.cycled.rgb[own], apply("decode", again, own).rgb, atol=1e-4
        )
        np.testing.assert_allclose(
            generated.own.rgb[own], apply("decode", code, own).rgb, atol=1e-5
        )
    plain = dataclasses.replace(_CONFIG, loss=_DEMO.loss)
    assert objective.generate(params, batch, people, plain).code is None


def test_the_latent_term_of_a_swap_that_keeps_the_code_is_0():
    code = jax.random.normal(jax.random.key(0), (2, 3, 4, 4, 8))
    own = DecoderOutput(code, code)
    assert float(objective._latent(objective.Generated(own, code, code))) == 0
    assert float(objective._latent(objective.Generated(own, code, 2 * code))) == pytest.approx(
        1, abs=1e-4
    )


def test_discriminators_get_the_face_in_its_surroundings_or_the_whole_output(batch):
    rgb, logits = jnp.zeros_like(batch.target), jnp.full((2, 3, 16, 16, 1), jnp.log(3.0))
    face = objective.discriminator_input(DecoderOutput(rgb, logits), batch, _CONFIG)
    inside = np.broadcast_to(batch.masks[..., :1] == 1, face.shape)
    np.testing.assert_array_equal(np.asarray(face)[inside], 0)
    np.testing.assert_array_equal(np.asarray(face)[~inside], np.asarray(batch.target)[~inside])

    loss = dataclasses.replace(_DEMO.loss, discriminator_input="output")
    config = dataclasses.replace(_CONFIG, loss=loss)
    both = objective.discriminator_input(DecoderOutput(rgb, logits), batch, config)
    assert both.shape == (2, 6, 16, 16, 3)
    np.testing.assert_allclose(both[:, ::2], 0.25 * batch.input_image, rtol=1e-5)
    np.testing.assert_array_equal(both[:, 1::2], rgb)


def test_smaller_outputs_are_compared_with_the_means_of_the_target():
    target = jax.random.uniform(jax.random.key(0), (2, 1, 8, 8, 3))
    ones = jnp.ones_like(target)
    batch = Augmented(target, target, ones, target, jnp.ones((*ones.shape[:-1], 4)))
    half = target.reshape(2, 1, 4, 2, 4, 2, 3).mean((3, 5))
    logits = jnp.zeros((2, 1, 8, 8, 1))
    exact = objective._reconstruction(DecoderOutput(target, logits, (half,)), batch, _DEMO.loss)
    assert float(exact) == pytest.approx(0, abs=1e-6)
    output = DecoderOutput(target, logits, (half + 0.1,))
    off = objective._reconstruction(output, batch, _DEMO.loss)
    assert float(off) == pytest.approx(0.1, rel=1e-4)
