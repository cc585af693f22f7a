"""Training crops without end: every epoch has all of them, in an order that the seed decides."""

import itertools

import numpy as np
import pytest

from data_prep.dataset import shuffled_reader
from data_prep.errors import InputError
from tests.support.data_sets import noise_crop, write, write_noise

_CROPS = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    crops = [noise_crop(i) for i in range(_CROPS)]
    return write(tmp_path_factory.mktemp("shuffled") / "a", "A", crops, [])


def _order(folder, count, **options):
    """Numbers of the first crops that are read."""
    of_image = {noise_crop(i).image.tobytes(): i for i in range(_CROPS)}
    read = itertools.islice(shuffled_reader.read(folder, **options), count)
    return [of_image[example["image"].tobytes()] for example in read]


def test_each_epoch_has_every_crop_once_in_an_order_of_its_own(folder):
    order = _order(folder, 3 * _CROPS, seed=1)
    epochs = [order[i : i + _CROPS] for i in range(0, 3 * _CROPS, _CROPS)]
    assert [sorted(epoch) for epoch in epochs] == 3 * [list(range(_CROPS))]
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_the_seed_decides_the_order(folder):
    assert _order(folder, _CROPS, seed=1) == _order(folder, _CROPS, seed=1)
    assert _order(folder, _CROPS, seed=1) != _order(folder, _CROPS, seed=2)


def test_a_later_start_continues_the_same_order(folder):
    order = _order(folder, 2 * _CROPS, seed=1)
    assert _order(folder, _CROPS, seed=1, start=7) == order[7 : 7 + _CROPS]
    assert _order(folder, 4, seed=1, start=_CROPS + 3) == order[_CROPS + 3 : _CROPS + 7]


def test_only_what_training_needs_is_read(folder):
    example = next(shuffled_reader.read(folder, seed=1))
    assert example.keys() == {"image", "masks", "pose", "landmarks"}
    # Numbers alone tell the crop, so image and masks must be of the same one.
    (expected,) = (
        crop
        for crop in map(noise_crop, range(_CROPS))
        if np.array_equal(crop.landmarks, example["landmarks"])
    )
    np.testing.assert_array_equal(example["image"], expected.image)
    for name, mask in expected.masks.items():
        np.testing.assert_array_equal(example["masks"][name], mask)


def test_another_format_and_an_empty_split_are_refused(tmp_path):
    with pytest.raises(InputError, match="only TFRecord is streamed") as caught:
        next(shuffled_reader.read(write_noise(tmp_path / "a", "array_record"), seed=1))
    assert caught.value.setting == "data"
    with pytest.raises(InputError, match="'train' is empty"):
        next(shuffled_reader.read(write(tmp_path / "b", "B", [], [noise_crop(0)]), seed=1))
