"""A setting or file that does not fit the codec is refused in one line that says what does."""

import pathlib

import pytest

from data_prep.errors import InputError
from data_prep.media.codecs import Codec, Encoding


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"codec": Codec.PRORES, "bits": 8}, "prores has no 8 bits; it has 10"),
        ({"codec": Codec.H264, "bits": 16}, "h264 has no 16 bits; it has 8 or 10"),
        ({"codec": Codec.FFV1, "crf": 3}, "ffv1 has no CRF"),
        ({"codec": Codec.H265, "crf": 52}, "no CRF 52; it goes from 0 to 51"),
        ({"codec": Codec.AV1, "preset": "fast"}, "av1 has no preset 'fast'; it has 0, 1"),
        ({"codec": Codec.PNG, "preset": "fast"}, "png has no preset 'fast'; it has none"),
    ],
)
def test_a_setting_that_a_codec_lacks_is_refused_by_name(settings, message):
    with pytest.raises(InputError, match=rf"^[^\n]*{message}[^\n]*$") as refused:
        Encoding(**settings)
    assert refused.value.setting == list(settings)[1]


@pytest.mark.parametrize(
    ("codec", "name", "message"),
    [
        (Codec.H264, "x.avi", "h264 is written into .mp4, .mov or .mkv"),
        (Codec.PRORES, "x.mp4", "prores is written into .mov"),
        (Codec.PNG, "x.png", "png is a folder"),
        (Codec.AV1, "x", "av1 is written into .mp4 or .mkv"),
    ],
)
def test_a_file_that_cannot_hold_the_codec_is_refused(codec, name, message):
    with pytest.raises(InputError, match=message) as refused:
        Encoding(codec).check(pathlib.Path(name))
    assert refused.value.setting == "codec"


def test_an_odd_size_gets_a_format_that_has_odd_sizes():
    assert Encoding().pixel_format(64, 48) == "yuv420p"
    assert Encoding(Codec.H265, 10).pixel_format(65, 48) == "yuv444p10le"
    assert Encoding(Codec.AV1).pixel_format(65, 47) == "yuv420p"


def test_transparency_needs_a_codec_with_an_alpha_channel():
    with pytest.raises(InputError, match="h264 has no transparency; use prores, ffv1 or png"):
        Encoding().check(pathlib.Path("x.mp4"), transparent=True)
    Encoding(Codec.PRORES).check(pathlib.Path("x.mov"), transparent=True)
