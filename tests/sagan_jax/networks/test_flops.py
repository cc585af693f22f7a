"""Parameters and arithmetic of the presets, against counts by hand."""

import dataclasses
import json

import numpy as np
import pytest

from launch.benchmarks import roofline
from sagan_jax.configs import overrides
from sagan_jax.configs.config import widened
from sagan_jax.configs.presets import PRESETS
from sagan_jax.networks.flops import Product, count_model

# Parameters of the encoder, of each decoder and of each discriminator.
_SIZES = {
    "demo64": (2_876_177, 378_384, 48_642),
    "sagan64": (6_504_658, 844_048, 107_522),
    "sagan128": (7_038_426, 1_046_179, 153_770),
    "sagan256": (15_755_186, 9_632_584, 1_825_570),
    "sagan512": (18_800_674, 14_901_211, 2_874_402),
    # These are counts of the original (deepfakes/faceswap-playground 300 shows the same).
    "faceswap_gan64": (59_130_506, 6_300_924, 747_845),
}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_as_large_as_documented(name):
    counted = count_model(PRESETS[name]().model)
    assert (counted.encoder, counted.decoder, counted.discriminator) == _SIZES[name]
    assert counted.parameters == np.dot(_SIZES[name], [1, 2, 2])
    assert name != "faceswap_gan64" or counted.parameters == 73_228_044


@pytest.mark.parametrize("name", PRESETS)
def test_presets_name_their_resolution_and_survive_json(name):
    config = PRESETS[name]()
    assert config.preset == name and name.endswith(str(config.model.resolution))
    assert overrides.from_dict(json.loads(overrides.to_json(config))) == config


def test_products_of_a_step_equal_the_count_by_hand():
    config = dataclasses.replace(PRESETS["faceswap_gan64"](), batch=1)
    flops = sum(product.flops for product in roofline.products(config))
    # The layer list has 3355 million multiply-adds for a generated image and 80 for its score. A
    # backward pass costs twice as much, or as much where only images get a gradient. Each
    # discriminator scores two images in the generator's loss and two mixtures in its own.
    by_hand = 2e6 * 2 * (3 * 3355 + 2 * 2 * 80 + 2 * 3 * 80)
    assert flops / by_hand == pytest.approx(1, abs=0.05)
    device = roofline.Device("slow", flops=1e9, bandwidth=1e9)
    assert roofline.seconds([Product(2e9, 1e9), Product(1e9, 3e9)], device) == 2 + 3


def test_arithmetic_of_faceswap_gan_equals_the_count_by_hand():
    counted = count_model(PRESETS["faceswap_gan64"]().model)
    # 720 and 2635 million multiply-adds by the layer list.
    assert counted.swap_flops / (2 * 3355e6) == pytest.approx(1, abs=0.01)
    assert counted.discriminator_flops / (2 * 80e6) == pytest.approx(1, abs=0.01)


def test_a_width_factor_scales_every_width():
    model = PRESETS["demo64"]().model
    narrow = widened(model, 0.5)
    assert narrow.encoder_widths == (24, 32, 64, 96) and narrow.latent == 128
    assert widened(model, 1.0) == model
    wide = count_model(widened(model, 2.0)).parameters
    assert 3.5 < wide / count_model(model).parameters < 4.1
