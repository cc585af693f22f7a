"""Written videos, decoded by FFmpeg, hold the frames they were given, with every codec."""

import dataclasses
from fractions import Fraction

import av
import numpy as np
import pytest

from data_prep.errors import InputError
from data_prep.media import video_reader
from data_prep.media.codecs import Codec, Encoding
from data_prep.media.video_writer import VideoWriter
from tests.support.clips import psnr


def _write(path, images, like, encoding=Encoding(), times_us=None):
    height, width = images[0].shape[:2]
    with VideoWriter(path, width=width, height=height, like=like, encoding=encoding) as writer:
        for i, image in enumerate(images):
            writer.write(image, times_us[i] if times_us else 40_000 * i)
    return list(video_reader.read_frames(path))


@pytest.fixture(scope="module")
def clip(samples):
    path = samples / "cap13_edit2.mp4"
    images = [frame.image for frame in video_reader.read_frames(path, video_reader.Span(end_s=0.4))]
    return video_reader.probe(path), images


@pytest.mark.parametrize(
    ("codec", "bits", "suffix", "decibels"),
    [
        (Codec.H264, 8, ".mp4", 44),
        (Codec.H264, 10, ".mkv", 44),
        (Codec.H265, 8, ".mov", 44),
        (Codec.H265, 10, ".mp4", 44),
        (Codec.AV1, 8, ".mp4", 44),
        (Codec.AV1, 10, ".mkv", 44),
        (Codec.PRORES, 10, ".mov", 50),
        (Codec.FFV1, 8, ".mkv", 99),
        (Codec.FFV1, 16, ".mkv", 99),
    ],
)
def test_every_codec_keeps_frames_and_times(clip, tmp_path, codec, bits, suffix, decibels):
    info, images = clip
    # A variable rate, in the milliseconds that Matroska holds.
    times_us = [40_000 * i + 1000 * (i * i % 7) for i in range(len(images))]
    path = tmp_path / f"x{suffix}"
    again = _write(path, images, info, Encoding(codec, bits), times_us)
    assert [frame.timestamp_us for frame in again] == times_us
    with np.errstate(divide="ignore"):
        worst = min(psnr(a, b.image) for a, b in zip(images, again, strict=True))
    assert worst > decibels
    written = video_reader.probe(path)
    assert written.codec.removeprefix("lib").startswith(("h264", "hevc", "dav1d", "prores", "ffv1"))
    assert written.bits == bits


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265, Codec.AV1])
def test_times_are_exact_to_the_microsecond(clip, tmp_path, codec):
    info, images = clip
    times_us = np.cumsum([0, 33_367, 33_366, 100_001, 559_999, 7, 1, 40_003, 20_000]).tolist()
    again = _write(tmp_path / "x.mp4", images[: len(times_us)], info, Encoding(codec), times_us)
    assert [frame.timestamp_us for frame in again] == times_us


@pytest.mark.parametrize(("codec", "suffix"), [(Codec.H265, ".mp4"), (Codec.FFV1, ".mkv")])
def test_bits_below_the_eighth_are_kept(clip, tmp_path, codec, suffix):
    info, _ = clip
    ramp = np.linspace(20_000, 40_000, 128 * 64).reshape(64, 128).astype(np.uint16)
    deep = np.repeat(ramp[..., None], 3, -1)
    _write(tmp_path / f"x{suffix}", [deep], info, Encoding(codec, 10, crf=_lossless(codec)))
    (coded,) = video_reader.read_coded_frames(tmp_path / f"x{suffix}", pixel_format="rgb48le")
    error = np.abs(coded.planes[0].astype(int) - deep)
    assert error.mean() < 48  # of 8 bits the step is 257


def _lossless(codec):
    return 0 if codec is Codec.H265 else None


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265, Codec.AV1])
def test_odd_sizes_are_kept(clip, tmp_path, codec):
    info, images = clip
    image = np.ascontiguousarray(images[0][:201, :133])
    (frame,) = _write(tmp_path / "odd.mp4", [image], info, Encoding(codec))
    assert frame.image.shape == image.shape and psnr(frame.image, image) > 40


def test_the_description_of_pixels_and_colours_is_kept(clip, tmp_path):
    info, images = clip
    like = dataclasses.replace(
        info, primaries=9, transfer=14, full_range=True, sample_aspect_ratio=Fraction(128, 117)
    )
    (frame,) = _write(tmp_path / "x.mp4", images[:1], like)
    written = video_reader.probe(tmp_path / "x.mp4")
    assert (written.primaries, written.transfer, written.full_range) == (9, 14, True)
    assert written.sample_aspect_ratio == Fraction(128, 117)
    assert psnr(frame.image, images[0]) > 42


def test_players_of_apple_find_h265(clip, tmp_path):
    info, images = clip
    _write(tmp_path / "x.mp4", images[:2], info, Encoding(Codec.H265))
    with av.open(str(tmp_path / "x.mp4")) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"


def test_a_failed_block_leaves_the_file_that_was_there(clip, tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"before")
    writer = VideoWriter(path, width=400, height=300, like=clip[0])
    with pytest.raises(RuntimeError, match="boom"), writer:
        writer.write(np.zeros((300, 400, 3), np.uint8), 0)
        raise RuntimeError("boom")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_frame_of_another_size_is_refused(clip, tmp_path):
    writer = VideoWriter(tmp_path / "x.mp4", width=400, height=300, like=clip[0])
    with pytest.raises(InputError, match=r"0\.040 s is 200x300, the video is 400x300"), writer:
        writer.write(np.zeros((300, 200, 3), np.uint8), 40_000)
    assert not list(tmp_path.iterdir())


def test_a_video_without_a_frame_is_refused(clip, tmp_path):
    writer = VideoWriter(tmp_path / "x.mp4", width=400, height=300, like=clip[0])
    with pytest.raises(InputError, match="no frame to write") as refused, writer:
        pass
    assert refused.value.setting == "span"
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_refused(clip, tmp_path):
    with pytest.raises(InputError, match=r"x\.mp4: cannot be written \(No such file"):
        VideoWriter(tmp_path / "none" / "x.mp4", width=400, height=300, like=clip[0])
