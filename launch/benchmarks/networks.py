"""Size and arithmetic of the networks of every preset."""

from __future__ import annotations

from launch.benchmarks.harness import Table, Value
from sagan_jax.configs import presets
from sagan_jax.networks import flops


def table() -> Table:
    """Counts every preset, see `flops.ModelCost`."""
    return Table(
        "Networks by preset",
        [_record(name) for name in presets.PRESETS],
        [
            "Convolutions and matrix products (`sagan_jax/networks/flops.py`); a swap is one crop "
            "encoded and decoded once (a conversion also decodes it as the other person, see "
            "--exaggeration); a multiply-add counts as two operations."
        ],
    )


def _record(name: str) -> dict[str, Value]:
    cost = flops.count_model(presets.PRESETS[name]().model)
    return {
        "preset": f"`{name}`",
        "parameters, all networks, M": cost.parameters / 1e6,
        "GFLOP a swap": cost.swap_flops / 1e9,
        "GFLOP a discriminator score": cost.discriminator_flops / 1e9,
    }
