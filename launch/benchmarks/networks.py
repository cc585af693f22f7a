"""How large the networks of every preset are, and how much arithmetic they ask for."""

from __future__ import annotations

from launch.benchmarks.harness import Table
from sagan_jax.configs import presets
from sagan_jax.networks import flops


def table() -> Table:
    """Counts every preset; see `cost.Cost`."""
    return Table(
        "Networks by preset",
        [_record(name) for name in presets.PRESETS],
        [
            "Convolutions and matrix products (`sagan_jax/cost.py`); a swap is one crop encoded "
            "and drawn once (a conversion also draws it as the other person, see --exaggeration), "
            "a multiply-add two operations."
        ],
    )


def _record(name: str) -> dict[str, str | int | float | None]:
    counted = flops.count(presets.PRESETS[name]().model)
    return {
        "preset": f"`{name}`",
        "parameters, all networks, M": counted.parameters / 1e6,
        "GFLOP a swap": counted.swap_flops / 1e9,
        "GFLOP a critic's look": counted.judge_flops / 1e9,
    }
