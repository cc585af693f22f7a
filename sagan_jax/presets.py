"""Named configurations."""

from __future__ import annotations

from sagan_jax.config import Config


def demo64() -> Config:
    """What `make demo` trains on two CPU cores."""
    return Config(preset="demo64")


PRESETS = {"demo64": demo64}
