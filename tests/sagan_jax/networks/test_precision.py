"""The choice of the networks' arithmetic, and what stays float32 in either."""

import dataclasses
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from sagan_jax.networks import precision
from sagan_jax.training import train_state
from tests.support.tiny_run import SMALLEST, state_after_updates

pytestmark = pytest.mark.usefixtures("compiled_quickly")


@pytest.mark.parametrize(
    ("platform", "chosen"), [("cpu", "float32"), ("gpu", "bfloat16"), ("tpu", "bfloat16")]
)
def test_the_device_decides_on_auto_only(platform, chosen):
    device = SimpleNamespace(platform=platform)
    assert precision.resolve(SMALLEST, device).execution.precision == chosen
    chosen_by_user = dataclasses.replace(
        SMALLEST, execution=dataclasses.replace(SMALLEST.execution, precision="float32")
    )
    assert precision.resolve(chosen_by_user, device) is chosen_by_user


def _updated(arithmetic):
    execution = dataclasses.replace(SMALLEST.execution, precision=arithmetic)
    return state_after_updates(dataclasses.replace(SMALLEST, execution=execution))


def test_bfloat16_steps_stay_near_float32_ones_and_keep_a_float32_state():
    (exact, metrics), (rounded, rounded_metrics) = _updated("float32"), _updated("bfloat16")
    assert {leaf.dtype.name for leaf in jax.tree.leaves(rounded)} == {"float32", "int32"}
    for name in (
        "generator",
        "reconstruction",
        "discriminator",
        "discriminator_real",
        "gradient_norm",
    ):
        assert rounded_metrics[name] == pytest.approx(metrics[name], rel=0.03, abs=0.02), name
    assert rounded_metrics["reconstruction"] != metrics["reconstruction"]  # it was rounded

    def flat(tree):
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])

    fresh = jax.jit(lambda key: train_state.create(key, SMALLEST))(train_state.root_key(1))
    start = flat(jax.device_get(fresh.generator))
    moved, moved_rounded = flat(exact.generator) - start, flat(rounded.generator) - start
    cosine = moved @ moved_rounded / np.linalg.norm(moved) / np.linalg.norm(moved_rounded)
    assert cosine > 0.9
