"""Shapes, sizes and wiring of generator and critic."""

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from launch.benchmarks import roofline
from sagan_jax.configs import config as config_lib
from sagan_jax.configs import overrides
from sagan_jax.configs.config import ModelConfig
from sagan_jax.configs.presets import PRESETS
from sagan_jax.networks import faceswap_gan, spectral_norm
from sagan_jax.networks.discriminator import Discriminator, make_discriminator
from sagan_jax.networks.flops import Product, count
from sagan_jax.networks.generator import Generator

_SMALL = ModelConfig(
    encoder_widths=(8, 8, 16, 16), latent=16, shared_width=16, decoder_widths=(16, 8),
    discriminator_widths=(8, 16),
)  # fmt: skip


def _init(config):
    x = jax.random.normal(jax.random.key(0), (2, 3, *config.input_shape))
    generator = Generator(config)
    return generator, jax.jit(generator.init)(jax.random.key(1), x), x


@pytest.mark.parametrize("resolution", [32, 64, 128])
def test_the_generator_draws_at_its_resolution(resolution):
    config = dataclasses.replace(_SMALL, resolution=resolution)
    generator, x = Generator(config), jnp.zeros((2, 3, *config.input_shape))
    out, _ = jax.eval_shape(generator.init_with_output, jax.random.key(0), x)
    assert out.rgb.shape == (*x.shape[:-1], 3)
    assert out.mask_logits.shape == (*x.shape[:-1], 1)


def test_fewer_decoder_widths_share_more_of_the_way_up_and_its_attention():
    x = jnp.zeros((2, 1, *_SMALL.input_shape))
    for widths, side in (((16, 8), 8), ((8,), 16), ((), 32)):
        config = dataclasses.replace(_SMALL, decoder_widths=widths, decoder_attention=(16,))
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


def test_a_sketch_reaches_the_decoders_around_the_bottleneck():
    generator, variables, x = _init(_SMALL)
    shut = jax.tree.map_with_path(
        lambda path, leaf: (
            jnp.zeros_like(leaf) if "['code']" in jax.tree_util.keystr(path) else leaf
        ),
        variables,
    )
    draw = jax.jit(lambda x: generator.apply(shut, x).rgb)
    other_picture, other_sketch = x.at[..., :3].add(1.0), x.at[..., 30:34, 20:26, 3:].add(1.0)
    np.testing.assert_array_equal(draw(other_picture), draw(x))
    changed = np.abs(draw(other_sketch) - draw(x)).max((0, 1, 4))
    assert changed[30:34, 20:26].min() > 0


def test_default_network_is_as_large_as_documented():
    shapes = jax.eval_shape(lambda: _init(ModelConfig())[1])
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 3_632_945


# Parameters of the encoder, of each decoder and of each critic.
_SIZES = {
    "demo64": (2_876_177, 378_384, 48_642),
    "sagan64": (6_504_658, 844_048, 107_522),
    "sagan128": (7_038_426, 1_046_179, 153_770),
    "sagan256": (15_755_186, 9_632_584, 1_825_570),
    "sagan512": (18_800_674, 14_901_211, 2_874_402),
    # As counted in the original (deepfakes/faceswap-playground 300 shows the same).
    "ancestor64": (59_130_506, 6_300_924, 747_845),
}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_as_large_as_documented(name):
    counted = count(PRESETS[name]().model)
    assert (counted.encoder, counted.decoder, counted.discriminator) == _SIZES[name]
    assert counted.parameters == np.dot(_SIZES[name], [1, 2, 2])
    assert name != "ancestor64" or counted.parameters == 73_228_044


@pytest.mark.parametrize("name", PRESETS)
def test_presets_name_their_resolution_and_survive_json(name):
    config = PRESETS[name]()
    assert config.preset == name and name.endswith(str(config.model.resolution))
    assert overrides.from_dict(json.loads(overrides.to_json(config))) == config


def test_products_of_a_step_are_counted_as_by_hand():
    config = dataclasses.replace(PRESETS["ancestor64"](), batch=1)
    flops = sum(product.flops for product in roofline.products(config))
    # The layer list has 3355 million multiply-adds a drawn picture and 80 a judged one; a
    # backward pass costs twice as much, or as much where only pictures get a gradient. Each
    # critic sees two pictures in the generator's loss and two mixtures in its own.
    by_hand = 2e6 * 2 * (3 * 3355 + 2 * 2 * 80 + 2 * 3 * 80)
    assert flops / by_hand == pytest.approx(1, abs=0.05)
    device = roofline.Device("slow", flops=1e9, bandwidth=1e9)
    assert roofline.seconds([Product(2e9, 1e9), Product(1e9, 3e9)], device) == 2 + 3


def test_arithmetic_of_the_ancestor_equals_the_count_by_hand():
    counted = count(PRESETS["ancestor64"]().model)
    # 720 and 2635 million multiply-adds by the layer list.
    assert counted.swap_flops / (2 * 3355e6) == pytest.approx(1, abs=0.01)
    assert counted.judge_flops / (2 * 80e6) == pytest.approx(1, abs=0.01)


def test_large_networks_draw_smaller_pictures_on_the_way():
    for architecture, down, up in (("sagan", 5, 4), ("ancestor", 7, 5)):
        config = dataclasses.replace(
            _SMALL, architecture=architecture, resolution=256,
            encoder_widths=(8,) * down, decoder_widths=(8,) * up,
        )  # fmt: skip
        generator, x = Generator(config), jnp.zeros((2, 1, *config.input_shape))
        out = jax.eval_shape(lambda x, g=generator: g.init_with_output(jax.random.key(0), x)[0], x)
        assert out.rgb.shape == (*x.shape[:-1], 3)
        assert [picture.shape[2] for picture in out.smaller] == [64, 128]


def test_the_ancestor_draws_colours_and_a_mask():
    config = dataclasses.replace(
        _SMALL, architecture="ancestor", encoder_widths=(8, 8, 8, 16, 16),
        decoder_widths=(8, 8, 8), spectral_norm=False,
    )  # fmt: skip
    generator, variables, x = _init(config)
    out = jax.jit(generator.apply)(variables, x)
    assert out.rgb.shape == (*x.shape[:-1], 3) and out.smaller == ()
    assert 0 <= out.rgb.min() < out.rgb.max() <= 1
    judge = make_discriminator(config)
    scores, _ = jax.eval_shape(judge.init_with_output, jax.random.key(0), x[0], x[0])
    assert scores.shape == (3, 16, 16, 1)


def test_the_ancestors_norm_is_over_the_whole_map():
    x = 3 * jax.random.normal(jax.random.key(0), (2, 4, 5, 6)) + 1
    y, _ = faceswap_gan.MapNorm().init_with_output(jax.random.key(1), x)
    flat = np.asarray(x).reshape(2, -1)
    expected = (flat - flat.mean(1, keepdims=True)) / (flat.std(1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(np.asarray(y).reshape(2, -1), expected, atol=1e-5)
    flat_map = jax.grad(
        lambda x: faceswap_gan.MapNorm().init_with_output(jax.random.key(1), x)[0].sum()
    )
    assert np.isfinite(flat_map(jnp.ones((1, 4, 4, 2)))).all()


def test_a_width_factor_scales_every_width():
    model = config_lib.widened(ModelConfig(), 0.5)
    assert model.encoder_widths == (24, 32, 64, 96) and model.latent == 128
    assert config_lib.widened(ModelConfig(), 1.0) == ModelConfig()
    wide = count(config_lib.widened(ModelConfig(), 2.0)).parameters
    assert 3.5 < wide / count(ModelConfig()).parameters < 4.1


def test_one_batch_equals_encode_then_decode():
    generator, variables, x = _init(_SMALL)
    together = jax.jit(generator.apply)(variables, x)
    encode = jax.jit(functools.partial(generator.apply, method="encode"))
    decode = jax.jit(functools.partial(generator.apply, method="decode"), static_argnums=2)
    for i in (0, 1):
        alone = decode(variables, encode(variables, x[i]), i)
        np.testing.assert_allclose(together.rgb[i], alone.rgb, atol=1e-5)
    assert together.rgb.min() >= 0 and together.rgb.max() <= 1


def test_decoders_are_separate_and_the_encoder_is_shared():
    generator, variables, x = _init(_SMALL)
    gradient = jax.jit(jax.grad(lambda v: generator.apply(v, x).rgb[0].sum()))(variables)["params"]
    size = {
        name: sum(float(abs(g).sum()) for g in jax.tree.leaves(t)) for name, t in gradient.items()
    }
    assert size["encoder"] > 0 and size["decoders_0"] > 0 and size["decoders_1"] == 0


def test_the_normalised_critic_cannot_amplify():
    network, x = Discriminator(_SMALL), jax.random.uniform(jax.random.key(0), (4, 64, 64, 3))
    params = jax.jit(network.init)(jax.random.key(1), x, x)["params"]
    params = jax.tree.map(lambda leaf: 100 * leaf, params)
    vectors = spectral_norm.init_power_vectors(jax.random.key(2), params, iterations=50)
    normalised, _ = spectral_norm.spectral_normalise_tree(params, vectors)
    judge = jax.jit(lambda x, given: network.apply({"params": normalised}, x, given))
    moved = x + 1e-2
    change = judge(moved, x) - judge(x, x)
    # Each 4x4 stride-2 kernel of unit norm meets a pixel 4 times: gain at most 2 a layer.
    assert float(jnp.linalg.norm(change)) < 8 * float(jnp.linalg.norm(2 * (moved - x)))
