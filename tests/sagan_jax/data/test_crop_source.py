"""Crops on the devices: whole data sets, windows of them, and sampling from both."""

import dataclasses

import jax
import numpy as np
import pytest
from scipy import stats

from data_prep.errors import InputError
from sagan_jax.configs.config import ExecutionConfig
from sagan_jax.data import crop_source, identity_crops
from sagan_jax.devices import distributed
from tests.support.tiny_run import CONFIG, write_data_set

_CROPS = 40


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    return tuple(write_data_set(folder / name, i, _CROPS) for i, name in enumerate("ab"))


@pytest.fixture(autouse=True)
def small_windows(monkeypatch):
    """Shrinks windows to 16 crops, that is 4 steps."""
    monkeypatch.setattr(crop_source, "_WINDOW", 16)


def _config(kind, **changes):
    return dataclasses.replace(CONFIG, execution=ExecutionConfig(data=kind), **changes)


def _open(kind, folders, **changes):
    mesh = distributed.device_mesh(CONFIG.batch)
    return crop_source.open_source(_config(kind, **changes), folders, mesh)


def _crops(people):
    """Returns the crops of each person as bytes."""
    return [
        [(image.tobytes(), mask.tobytes()) for image, mask in zip(p.images, p.masks, strict=True)]
        for p in jax.device_get(people)
    ]


def test_a_stream_has_every_resident_crop_once_an_epoch(folders):
    resident, stream = _open("resident", folders), _open("stream", folders)
    for a, b in zip(resident.identity_stats, stream.identity_stats, strict=True):
        for one, other in zip(a, b, strict=True):
            np.testing.assert_array_equal(one, other)
    whole = _crops(resident.at(0))
    windows = [_crops(stream.at(4 * i)) for i in range(5)]  # two epochs
    for person in (0, 1):
        streamed = [crop for window in windows for crop in window[person]]
        assert len(set(whole[person])) == _CROPS and len(streamed) == 2 * _CROPS
        first, second = streamed[:_CROPS], streamed[_CROPS:]
        assert sorted(first) == sorted(second) == sorted(whole[person])
        assert first != second and first != whole[person]
    assert stream.at(16) is stream.at(19)
    stream.close()


def test_a_continued_stream_has_the_same_windows(folders):
    whole, continued = _open("stream", folders), _open("stream", folders)
    windows = [_crops(whole.at(step)) for step in (0, 4, 8, 12)]
    assert _crops(continued.at(13)) == windows[3]
    assert _crops(continued.at(5)) == windows[1]  # back to a checkpoint
    assert _crops(_open("stream", folders, seed=1).at(4)) != windows[1]


@pytest.mark.parametrize(
    ("memory", "kind"), [(10**6, crop_source.Stream), (10**7, crop_source.Resident)]
)
def test_data_sets_that_do_not_fit_are_streamed(folders, monkeypatch, memory, kind):
    # Two people, 40 crops of 32 x 32 pixels of 6 bytes: 0.49 MB, and a quarter may be used.
    monkeypatch.setattr(crop_source, "_memory", lambda device: memory)
    assert isinstance(_open("auto", folders), kind)


def test_only_tfrecord_is_streamed(folders, tmp_path):
    other = write_data_set(tmp_path / "c", 2, 4, "array_record")
    with pytest.raises(InputError, match="only TFRecord is streamed"):
        _open("stream", (folders[0], other)).at(0)


def test_crops_are_sampled_as_often_as_their_weights_say():
    images = np.broadcast_to(np.arange(4, dtype=np.uint8)[:, None, None, None], (4, 1, 1, 3))
    share, colour = np.array([0.1, 0.2, 0.3, 0.4]), np.ones(3, np.float32)
    for cumulative, expected in ((None, np.full(4, 0.25)), (np.cumsum(share), share)):
        weights = None if cumulative is None else cumulative.astype(np.float32)
        person = identity_crops.IdentityCrops(images, images, colour, colour, weights)
        sampled, masks = identity_crops.sample_crops(
            jax.random.key(0), jax.device_put(person), 4000
        )
        np.testing.assert_array_equal(sampled, masks)
        counts = np.bincount(np.asarray(255 * sampled[:, 0, 0, 0]).round().astype(int))
        assert stats.chisquare(counts, 4000 * expected).pvalue > 1e-3


@pytest.mark.parametrize(("kind", "crops"), [("resident", _CROPS), ("stream", 16)])
def test_both_sources_have_sampling_weights(folders, kind, crops):
    for sampling in ("matched", "yaw"):
        people = jax.device_get(_open(kind, folders, sampling=sampling).at(0))
        assert all(p.cumulative.shape == (crops,) and p.cumulative[-1] == 1 for p in people)
        assert all(p.performance is None for p in people)
    people = _open(kind, folders, sampling="uniform").at(0)
    assert all(p.cumulative is None for p in people)
