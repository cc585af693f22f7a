"""Four virtual devices, strict promotion, and the sample clips."""

from __future__ import annotations

import os
import pathlib

# Before jax and tensorflow are imported.
os.environ["JAX_NUM_CPU_DEVICES"] = "4"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")

_SAMPLES = pathlib.Path(__file__).parent.parent / ".samples"


@pytest.fixture(scope="session")
def samples() -> pathlib.Path:
    """Folder of the sample clips; their absence fails a test, it does not skip it."""
    assert (_SAMPLES / "franck.webm").exists(), "sample clips are missing: run `make samples`"
    return _SAMPLES
