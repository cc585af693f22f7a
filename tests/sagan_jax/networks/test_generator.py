"""Shapes and wiring of the generator."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sagan_jax.configs.presets import PRESETS
from sagan_jax.networks.generator import Generator
from tests.support.small_model import SMALL, init_generator


@pytest.mark.parametrize("resolution", [32, 64, 128])
def test_output_has_the_configured_resolution(resolution):
    config = dataclasses.replace(SMALL, resolution=resolution)
    generator, x = Generator(config), jnp.zeros((2, 3, *config.input_shape))
    out, _ = jax.eval_shape(generator.init_with_output, jax.random.key(0), x)
    assert out.rgb.shape == (*x.shape[:-1], 3)
    assert out.mask_logits.shape == (*x.shape[:-1], 1)


def test_large_networks_also_output_smaller_images():
    for architecture, down, up in (("sagan", 5, 4), ("faceswap_gan", 7, 5)):
        config = dataclasses.replace(
            SMALL,
            architecture=architecture,
            resolution=256,
            encoder_widths=(8,) * down,
            decoder_widths=(8,) * up,
        )
        generator, x = Generator(config), jnp.zeros((2, 1, *config.input_shape))
        out = jax.eval_shape(lambda x, g=generator: g.init_with_output(jax.random.key(0), x)[0], x)
        assert out.rgb.shape == (*x.shape[:-1], 3)
        assert [image.shape[2] for image in out.smaller] == [64, 128]


def test_fewer_decoder_widths_leave_more_upscaling_and_attention_to_the_encoder():
    x = jnp.zeros((2, 1, *SMALL.input_shape))
    for widths, side in (((16, 8), 8), ((8,), 16), ((), 32)):
        config = dataclasses.replace(SMALL, decoder_widths=widths, decoder_attention=(16,))
        generator = Generator(config)
        params = jax.eval_shape(generator.init, jax.random.key(0), x)["params"]
        code = jax.eval_shape(
            lambda p, g=generator: g.apply({"params": p}, x, method="encode_both"), params
        )
        assert code.shape == (2, 1, side, side, config.shared_width)
        attending = {
            part: sum("SelfAttention" in name for name in modules)
            for part, modules in params.items()
        }
        # One in the encoder on the way down; the other where the map has 16 pixels a side.
        own = int(side == 8)
        assert attending == {"encoder": 2 - own, "decoders_0": own, "decoders_1": own}


def test_the_sketch_bypasses_the_bottleneck():
    generator, variables, x = init_generator(SMALL)
    without_code = jax.tree.map_with_path(
        lambda path, leaf: (
            jnp.zeros_like(leaf) if "['code']" in jax.tree_util.keystr(path) else leaf
        ),
        variables,
    )
    generate = jax.jit(lambda x: generator.apply(without_code, x).rgb)
    other_image, other_sketch = x.at[..., :3].add(1.0), x.at[..., 30:34, 20:26, 3:].add(1.0)
    np.testing.assert_array_equal(generate(other_image), generate(x))
    changed = np.abs(generate(other_sketch) - generate(x)).max((0, 1, 4))
    assert changed[30:34, 20:26].min() > 0


def test_both_people_in_one_batch_equal_encode_then_decode():
    generator, variables, x = init_generator(SMALL)
    together = jax.jit(generator.apply)(variables, x)
    encode = jax.jit(functools.partial(generator.apply, method="encode"))
    decode = jax.jit(functools.partial(generator.apply, method="decode"), static_argnums=2)
    for i in (0, 1):
        alone = decode(variables, encode(variables, x[i]), i)
        np.testing.assert_allclose(together.rgb[i], alone.rgb, atol=1e-5)
    assert together.rgb.min() >= 0 and together.rgb.max() <= 1


def test_the_encoder_is_shared_and_decoders_are_separate():
    generator, variables, x = init_generator(SMALL)
    gradient = jax.jit(jax.grad(lambda v: generator.apply(v, x).rgb[0].sum()))(variables)["params"]
    size = {
        name: sum(float(abs(g).sum()) for g in jax.tree.leaves(t)) for name, t in gradient.items()
    }
    assert size["encoder"] > 0 and size["decoders_0"] > 0 and size["decoders_1"] == 0


def test_the_generator_of_demo64_is_as_large_as_documented():
    shapes = jax.eval_shape(lambda: init_generator(PRESETS["demo64"]().model)[1])
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 3_632_945
