"""The arithmetic of the networks: who decides, and what stays float32 whatever they compute in."""

import dataclasses
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from sagan_jax.networks import precision
from sagan_jax.training import train_state
from tests.support.tiny_run import SMALLEST, updated

pytestmark = pytest.mark.usefixtures("compiled_quickly")


@pytest.mark.parametrize(
    ("platform", "chosen"), [("cpu", "float32"), ("gpu", "bfloat16"), ("tpu", "bfloat16")]
)
def test_the_device_decides_unless_the_user_does(platform, chosen):
    device = SimpleNamespace(platform=platform)
    assert precision.resolved(SMALLEST, device).execution.precision == chosen
    asked = dataclasses.replace(
        SMALLEST, execution=dataclasses.replace(SMALLEST.execution, precision="float32")
    )
    assert precision.resolved(asked, device) is asked


def _updated(arithmetic):
    execution = dataclasses.replace(SMALLEST.execution, precision=arithmetic)
    return updated(dataclasses.replace(SMALLEST, execution=execution))


def test_bfloat16_steps_stay_near_float32_ones_and_keep_a_float32_state():
    (exact, true), (rounded, near) = _updated("float32"), _updated("bfloat16")
    assert {leaf.dtype.name for leaf in jax.tree.leaves(rounded)} == {"float32", "int32"}
    for name in ("generator", "reconstruction", "critic", "critic_real", "gradient_norm"):
        assert near[name] == pytest.approx(true[name], rel=0.03, abs=0.02), name
    assert near["reconstruction"] != true["reconstruction"]  # it was computed otherwise

    def flat(tree):
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])

    fresh = jax.jit(lambda key: train_state.create(key, SMALLEST))(train_state.root_key(1))
    start = flat(jax.device_get(fresh.generator))
    moved, moved_rounded = flat(exact.generator) - start, flat(rounded.generator) - start
    cosine = moved @ moved_rounded / np.linalg.norm(moved) / np.linalg.norm(moved_rounded)
    assert cosine > 0.9
