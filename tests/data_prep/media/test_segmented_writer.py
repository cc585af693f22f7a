"""A video whose writing was stopped and resumed equals one that was never stopped."""

import itertools
import resource
import signal
import subprocess
import sys
import time

import av
import cv2
import numpy as np
import pytest

from data_prep.errors import InputError
from data_prep.media import segmented_writer, video_reader
from data_prep.media.audio import Sound
from data_prep.media.codecs import Codec, Encoding
from data_prep.media.segmented_writer import OutputVideo, SegmentedWriter, SegmentFolder
from tests.support import ROOT
from tests.support.clips import packet_contents, psnr, timed_packets, transcode, writer

_LENGTH = 10


@pytest.fixture(scope="module")
def clip(samples):
    """A clip with a variable frame rate, with gaps of up to 560 ms, and its frames."""
    path = samples / "cap12_edit.webm"
    return path, list(video_reader.read_frames(path, video_reader.Span(end_s=1.5)))


def _write(out, clip, frames=None, fail_at=None, **settings):
    path, all_frames = clip
    with writer(out, video_reader.probe(path), length=_LENGTH, **settings) as writing:
        done = writing.unfinished.frames
        for frame in all_frames[done:] if frames is None else frames:
            if frame.index == fail_at:
                raise KeyboardInterrupt
            writing.write([frame.image], frame.timestamp_us, {"after": frame.index})


def _interrupted(out, clip, fail_at, **settings):
    with pytest.raises(KeyboardInterrupt):
        _write(out, clip, fail_at=fail_at, **settings)


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        (Codec.H264, "x.mp4"),
        (Codec.H265, "x.mp4"),
        (Codec.AV1, "x.mp4"),
        (Codec.H264, "x.mkv"),
        (Codec.FFV1, "x.mkv"),
        (Codec.PRORES, "x.mov"),
    ],
)
def test_an_interrupted_video_equals_a_whole_one_byte_by_byte(clip, tmp_path, codec, name):
    (tmp_path / "whole").mkdir()
    whole, out = tmp_path / "whole" / name, tmp_path / name
    _write(whole, clip, encoding=Encoding(codec))
    _interrupted(out, clip, 17, encoding=Encoding(codec))
    _interrupted(out, clip, 28, encoding=Encoding(codec))
    _write(out, clip, encoding=Encoding(codec))
    assert out.read_bytes() == whole.read_bytes()
    assert _tag(out) == {Codec.H265: "hvc1", Codec.PRORES: "apch"}.get(codec, _tag(out))
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [name]
    assert not list(tmp_path.glob("*.segments"))


def _tag(path):
    with av.open(str(path)) as container:
        return container.streams.video[0].codec_context.codec_tag


def test_joined_packets_decode_to_every_frame_at_its_time(clip, tmp_path):
    _write(tmp_path / "x.mp4", clip)
    again, frames = list(video_reader.read_frames(tmp_path / "x.mp4")), clip[1]
    assert [f.timestamp_us for f in again] == [f.timestamp_us for f in frames]
    assert min(psnr(a.image, b.image) for a, b in zip(frames, again, strict=True)) > 42
    capture = cv2.VideoCapture(str(tmp_path / "x.mp4"))  # another demuxer and decoder
    assert sum(capture.read()[0] for _ in range(len(frames) + 5)) == len(frames)
    with av.open(str(tmp_path / "x.mp4")) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    assert all(p.dts <= p.pts for p in packets)
    assert all(a.dts < b.dts for a, b in itertools.pairwise(packets))


def test_closed_segments_can_be_watched_and_resumed_with_their_state(samples, tmp_path, caplog):
    clip = samples / "single_face.mp4"
    frames = list(video_reader.read_frames(clip))
    out, settings = tmp_path / "x.mp4", {"sound": Sound()}
    _interrupted(out, (clip, frames), 25, **settings)
    left = tmp_path / "x.unfinished.mp4"
    assert "the first 20 frames" in caplog.text and str(left) in caplog.text
    assert len(list(video_reader.read_frames(left))) == 20 and packet_contents(
        left
    ) == packet_contents(clip)
    again = SegmentFolder(out, "key")
    assert (again.frames, again.state) == (20, {"after": 19})
    _write(out, (clip, frames), **settings)
    assert not left.exists() and packet_contents(out) == packet_contents(clip)
    assert [f.timestamp_us for f in video_reader.read_frames(out)] == [
        f.timestamp_us for f in frames
    ]


def test_before_the_first_segment_nothing_is_left(clip, tmp_path):
    _interrupted(tmp_path / "x.mp4", clip, 5)
    assert not list(tmp_path.iterdir())


def test_an_existing_video_stays_until_the_new_one_is_whole(clip, tmp_path):
    out = tmp_path / "x.mp4"
    out.write_bytes(b"before")
    _interrupted(out, clip, 25)
    assert out.read_bytes() == b"before"
    _write(out, clip)
    assert len(list(video_reader.read_frames(out))) == len(clip[1])


def test_segments_of_another_run_are_kept_unless_they_may_be_discarded(clip, tmp_path):
    _interrupted(tmp_path / "x.mp4", clip, 25)
    message = r"x\.mp4\.segments: holds an unfinished.*allow this one to discard it$"
    with pytest.raises(InputError, match=message) as refused:
        SegmentFolder(tmp_path / "x.mp4", "other key")
    assert refused.value.setting == "overwrite"
    assert SegmentFolder(tmp_path / "x.mp4", "other key", overwrite=True).frames == 0
    assert not (tmp_path / "x.mp4.segments").exists()


def test_two_videos_are_resumed_together(clip, tmp_path):
    path, frames = clip
    info = video_reader.probe(path)
    names = [tmp_path / "a.mp4", tmp_path / "b.mp4"]

    def write(stop):
        outputs = [OutputVideo(names[0], 400, 300), OutputVideo(names[1], 800, 300)]
        unfinished = SegmentFolder(names[0], "key")
        with SegmentedWriter(unfinished, outputs, like=info, length=_LENGTH) as writing:
            for frame in frames[unfinished.frames :]:
                if frame.index == stop:
                    raise KeyboardInterrupt
                writing.write([frame.image, np.hstack([frame.image] * 2)], frame.timestamp_us)

    with pytest.raises(KeyboardInterrupt):
        write(15)
    write(None)
    one, two = (list(video_reader.read_frames(name)) for name in names)
    assert [f.timestamp_us for f in one] == [f.timestamp_us for f in two]
    assert len(one) == len(frames) and two[0].image.shape == (300, 800, 3)


def test_images_are_written_to_a_folder_with_their_times_and_sound(clip, samples, tmp_path):
    source = samples / "single_face.mp4"
    frames = list(video_reader.read_frames(source, video_reader.Span(end_s=0.8)))
    out = tmp_path / "frames"
    settings = {"encoding": Encoding(Codec.PNG), "sound": Sound()}
    _interrupted(out, (source, frames), 15, **settings)
    _write(out, (source, frames), **settings)
    for frame in frames:
        read = cv2.imread(str(out / f"{frame.index:06d}.png"))
        assert np.array_equal(read[..., ::-1], frame.image)
    assert packet_contents(out / "sound.mka") == packet_contents(source)
    times = np.loadtxt(out / "timestamps.txt")
    assert times.tolist() == [frame.timestamp_us / 1000 for frame in frames]


def test_images_can_have_sixteen_bits(clip, tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (30, 40, 3), dtype=np.uint16)
    info = video_reader.probe(clip[0])
    output = OutputVideo(tmp_path / "deep", 40, 30)
    with SegmentedWriter(
        SegmentFolder(output.path, ""), [output], like=info, encoding=Encoding(Codec.PNG, 16)
    ) as writing:
        writing.write([deep], 0)
    read = cv2.imread(str(tmp_path / "deep" / "000000.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(read[..., ::-1], deep)


@pytest.fixture
def small_files():
    """Limits the size of a file, which is as full as a disk can be made without being root."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

    yield limit
    limit(soft)


def test_a_full_disk_leaves_the_closed_segments(clip, tmp_path, small_files, caplog):
    out, encoding = tmp_path / "x.mkv", Encoding(Codec.FFV1)
    path, frames = clip
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    calm = [
        f if f.index < 22 else video_reader.Frame(f.index, f.timestamp_us, noise) for f in frames
    ]
    _write(tmp_path / "whole.mkv", (path, calm), encoding=encoding)
    small_files(2_000_000)
    with pytest.raises(InputError, match=r"cannot be written beyond frame \d+ \(File too large\)$"):
        _write(out, (path, calm), encoding=encoding)
    small_files(resource.RLIM_INFINITY)
    assert "the first 20 frames" in caplog.text and not out.exists()
    watchable = [*tmp_path.glob("x.unfinished.mkv"), *tmp_path.glob("x.mkv.segments/*.mkv")]
    assert sum(1 for _ in video_reader.read_frames(watchable[0])) in (10, 20)
    _write(out, (path, calm), encoding=encoding)
    assert out.read_bytes() == (tmp_path / "whole.mkv").read_bytes()


def test_a_disk_too_full_to_join_leaves_the_segments(clip, tmp_path, small_files, caplog):
    _write(tmp_path / "whole.mp4", clip)
    size = (tmp_path / "whole.mp4").stat().st_size
    small_files(size * 2 // 3)
    with pytest.raises(InputError, match="File too large"):
        _write(tmp_path / "x.mp4", clip)
    small_files(resource.RLIM_INFINITY)
    assert "lie in segments in" in caplog.text
    segments_there = sorted((tmp_path / "x.mp4.segments").glob("*.mp4"))
    assert sum(1 for path in segments_there for _ in video_reader.read_frames(path)) == len(clip[1])
    _write(tmp_path / "x.mp4", clip)
    assert (tmp_path / "x.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


_SLOW = """
import sys, time
sys.path.insert(0, ".")
import pathlib
from data_prep.media import video_reader
from tests.support.clips import writer
source, out = map(pathlib.Path, sys.argv[1:])
with writer(out, video_reader.probe(source), length=10) as writing:
    span = video_reader.Span(end_s=1.5)
    for frame in video_reader.read_frames(source, span):
        if frame.index >= writing.unfinished.frames:
            writing.write([frame.image], frame.timestamp_us)
            time.sleep(0.03)
"""


def test_a_killed_process_can_be_resumed(clip, tmp_path):
    _write(tmp_path / "whole.mp4", clip)
    command = [sys.executable, "-c", _SLOW, str(clip[0]), str(tmp_path / "x.mp4")]
    process = subprocess.Popen(command, cwd=ROOT)
    first = tmp_path / "x.mp4.segments" / "00000.json"
    while not first.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert SegmentFolder(tmp_path / "x.mp4", "key").frames >= 10
    assert subprocess.run(command, cwd=ROOT).returncode == 0
    assert (tmp_path / "x.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_sound_lies_beside_its_frames_in_the_file(samples, tmp_path):
    source, span = samples / "WolfgangLanger_Pexels.mp4", video_reader.Span(end_s=2.0)
    settings = {"sound": Sound(), "end_us": 2_000_000, "length": _LENGTH}
    transcode(source, tmp_path / "x.mp4", span, **settings)
    with av.open(str(tmp_path / "x.mp4")) as container:
        order = [(p.stream.type, float(p.dts * p.time_base)) for p in container.demux() if p.size]
    last = {"audio": 0.0, "video": 0.0}
    for kind, at in order:
        last[kind] = at
        assert abs(last["audio"] - last["video"]) < 0.5
    assert len(timed_packets(tmp_path / "x.mp4")) > 80


def test_an_output_that_cannot_hold_the_codec_is_refused_at_once(clip, tmp_path):
    with pytest.raises(InputError, match="prores is written into"):
        writer(tmp_path / "x.mp4", video_reader.probe(clip[0]), encoding=Encoding(Codec.PRORES))
    with (
        pytest.raises(InputError, match="no frame to write"),
        writer(tmp_path / "x.mp4", video_reader.probe(clip[0])),
    ):
        pass
    assert not list(tmp_path.iterdir()) and segmented_writer.SEGMENT_FRAMES % 16 == 0
