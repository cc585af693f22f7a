"""The range test: its rising rates, and the rate it recommends."""

import jax.numpy as jnp
import numpy as np
import pytest

from sagan_jax.configs import schedule
from sagan_jax.configs.presets import demo64
from sagan_jax.training import lr_range_test


def test_a_tenth_of_the_rate_where_the_loss_begins_to_rise_is_recommended():
    rates = np.geomspace(1e-5, 1, 160)
    losses = list(1 + (np.log10(rates) + 2) ** 2)  # lowest at 0.01, 1.1 at 10**(0.1**0.5 - 2)
    found = lr_range_test._evaluate(rates, losses, 1e-3)
    assert found.recommended == pytest.approx(0.1 * 10 ** (0.1**0.5 - 2), rel=0.1)
    assert len(found.rates) == len(found.losses) == len(found.smoothed) == 160


def test_losses_after_one_that_is_not_finite_are_left_out():
    found = lr_range_test._evaluate(np.geomspace(1e-4, 1, 5), [3.0, 2.0, 1.0, np.nan, 0.1], 1e-3)
    assert found.losses == (3.0, 2.0, 1.0) and found.recommended == pytest.approx(1e-3)


class _Bowl:
    """Stands in for the step: gradient descent on w**2 / 2, which diverges at rates above 2."""

    def __init__(self, config):
        self._config, self.w = config, 1.0

    def __call__(self, now, people):
        factor = schedule.learning_rate_factor(
            jnp.float32(now * 2 * self._config.batch),
            self._config.optimiser,
            self._config.images,
        )
        loss = 0.5 * self.w**2
        self.w -= float(factor) * self._config.optimiser.generator_rate * self.w
        return now + 1, {"generator": jnp.float32(loss)}


def test_the_rate_rises_from_step_to_step_until_the_loss_diverges(tmp_path, monkeypatch):
    monkeypatch.setattr(lr_range_test.train_state, "create", lambda key, config: jnp.int32(0))
    monkeypatch.setattr(lr_range_test.train_step, "make_step", lambda config, mesh: _Bowl(config))
    monkeypatch.setattr(lr_range_test, "_HIGHEST", 1e3)
    found = lr_range_test.find_rate(demo64(), (np.zeros(2), np.zeros(2)))
    np.testing.assert_allclose(found.rates, np.geomspace(1e-5, 1e3, 160)[: len(found.rates)])
    w = np.cumprod(1 - np.array(found.rates[:-1]))  # what descent by these rates must do
    np.testing.assert_allclose(found.losses[1:], 0.5 * w**2, rtol=1e-3, atol=1e-12)
    # It diverges at once above 2, and the rates are 12 % apart.
    assert 2 < found.rates[-1] < 40 and 0.05 < found.recommended < 0.3
    assert "<svg" in lr_range_test.write(found, tmp_path).read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"find_lr.json", "find_lr.svg"}
