"""A saved analysis is loaded exactly as it was made."""

import dataclasses

import numpy as np
import pytest

from data_prep.media import video_reader
from data_prep.pipeline import analysis_cache, faces


@pytest.fixture(scope="module")
def analysis(samples):
    """Analysis of a clip with a man, a cut, and frames without a face."""
    return faces.analyse(samples / "face_noface.mov", span=video_reader.Span(2.0, 2.6))


def _leaves(value, path="analysis"):
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _leaves(getattr(value, field.name), f"{path}.{field.name}")
    elif isinstance(value, tuple):
        yield path, len(value)
        for i, one in enumerate(value):
            yield from _leaves(one, f"{path}[{i}]")
    else:
        yield path, value


def test_a_loaded_analysis_equals_the_saved_one(analysis, tmp_path):
    path = tmp_path / "folder" / "faces.npz"
    analysis_cache.save(path, "key", analysis)
    again = analysis_cache.load(path, "key")
    for (name, one), (_, other) in zip(_leaves(analysis), _leaves(again), strict=True):
        if isinstance(one, np.ndarray):
            assert one.dtype == other.dtype and np.array_equal(one, other), name
        else:
            assert one == other and isinstance(other, type(one) | float), name
    # A track is one object, however it is reached.
    assert again.people[0].tracks[0] is again.tracks[0]
    assert [file.name for file in path.parent.iterdir()] == ["faces.npz"]


def test_an_analysis_with_another_key_or_damaged_is_not_loaded(analysis, tmp_path):
    path = tmp_path / "faces.npz"
    assert analysis_cache.load(path, "key") is None
    analysis_cache.save(path, "key", analysis)
    assert analysis_cache.load(path, "other key") is None
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"x" + whole[1:]):
        path.write_bytes(damaged)
        assert analysis_cache.load(path, "key") is None


def test_an_analysis_is_made_once_per_key(analysis, tmp_path):
    made = []

    def make():
        made.append(1)
        return analysis

    path = tmp_path / "faces.npz"
    for key, times in (("a", 1), ("a", 1), ("b", 2)):
        found = analysis_cache.load_or_make(path, key, make)
        assert len(made) == times and found.frames == analysis.frames
    nowhere = tmp_path / "absent" / "deeper" / "faces.npz"
    assert analysis_cache.load_or_make(nowhere, "a", make) is analysis
