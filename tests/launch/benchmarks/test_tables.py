"""Options that a table needs, and the errors where they are missing."""

import pathlib

import pytest

from data_prep.errors import InputError
from launch.benchmarks import tables
from launch.benchmarks.tables import Options

_VIDEO, _FOLDER = pathlib.Path("clip.mp4"), pathlib.Path("folder")


@pytest.mark.parametrize(
    ("name", "options", "setting"),
    [
        ("conversion", Options(checkpoint=_FOLDER), "videos"),
        ("conversion", Options(checkpoint=_FOLDER, videos=(_VIDEO, _VIDEO)), "videos"),
        ("conversion", Options(videos=(_VIDEO,)), "checkpoint"),
        ("faceswap_gan", Options(), "peer_command"),
        ("looks", Options(videos=(_VIDEO,)), "checkpoint"),
        ("prep", Options(), "videos"),
        ("step", Options(data_sets=(_FOLDER,)), "data_sets"),
        ("tracking", Options(), "videos"),
        ("watermark", Options(), "videos"),
    ],
)
def test_a_missing_option_is_named(name, options, setting):
    with pytest.raises(InputError) as raised:
        list(tables.measure(name, options))
    assert raised.value.setting == setting


def test_names_are_sorted():
    assert list(tables.NAMES) == sorted(tables.NAMES)
