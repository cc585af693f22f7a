"""The compiled step on four devices, compiled as it is for users."""

import dataclasses
import functools
import math
import re

import jax
import numpy as np
import pytest

from sagan_jax.configs.config import ExecutionConfig
from sagan_jax.devices import distributed
from sagan_jax.training import train_state, train_step
from tests.support.tiny_run import SMALL_PEOPLE, SMALLEST


@pytest.fixture(scope="module")
def on_four_devices():
    """A step of the smallest networks: its program, and state and people to run it on."""
    mesh = distributed.device_mesh(SMALLEST.batch)
    create = jax.jit(
        lambda key: train_state.create(key, SMALLEST),
        out_shardings=distributed.replicated_sharding(mesh),
    )
    people = distributed.replicate(SMALL_PEOPLE, mesh)
    fresh = functools.partial(create, train_state.root_key(0))
    return train_step.jitted_step(SMALLEST, mesh).lower(fresh(), people).compile(), fresh, people


def test_devices_exchange_the_gradients_once_and_nothing_else(on_four_devices):
    program, fresh, _ = on_four_devices
    exchanged = re.findall(
        r"= (.*?) (all-\w+|collective-\w+|reduce-scatter)(?:-start)?\(", program.as_text()
    )
    assert {kind for _, kind in exchanged} == {"all-reduce"}
    sizes = [
        4 * math.prod(int(length) for length in shape.split(",") if length)
        for shapes, _ in exchanged
        for shape in re.findall(r"f32\[([\d,]*)\]", shapes)
    ]
    now = fresh()
    learned = 4 * sum(x.size for x in jax.tree.leaves((now.generator, now.discriminator)))
    assert learned <= sum(sizes) <= 1.05 * learned


def test_two_steps_in_one_call_equal_two_calls(on_four_devices):
    program, fresh, people = on_four_devices
    now, _ = program(fresh(), people)
    now, metrics = program(now, people)
    execution = ExecutionConfig(dispatch=2)
    config = dataclasses.replace(SMALLEST, execution=execution)
    both = train_step.make_step(config, distributed.device_mesh(config.batch))
    after, both_metrics = both(fresh(), people)
    assert int(after.step) == int(now.step) == 2
    for a, b in zip(jax.tree.leaves(now.generator), jax.tree.leaves(after.generator), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    discriminator = float(metrics["discriminator"])
    assert float(both_metrics["discriminator"]) == pytest.approx(discriminator, rel=1e-4)
