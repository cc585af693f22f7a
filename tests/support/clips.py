"""What tests of media share: clips made of the samples, copied, compared and taken apart."""

import pathlib

import av
import cv2
import numpy as np

from data_prep.media import segmented_writer, segments, video_reader
from data_prep.media.coded_frame import CodedFrame
from sagan_jax.provenance.marking import FrameMarker


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Decibels, of 8-bit pictures."""
    return 10 * np.log10(255**2 / np.square(a.astype(float) - b).mean())


def oval(canvas, x, y=180):
    """What a head covers that is pasted about that point, as `[H, W]` bool."""
    covered = np.zeros(canvas.shape[:2], np.uint8)
    return cv2.ellipse(covered, (int(x), int(y)), (70, 95), 0, 0, 360, 255, -1) > 0


def head_at(canvas, image, head, x, y=180):
    """Pastes the head of an image, which is at `head` there, onto a canvas about that point."""
    shift = np.array([x, y]) - head
    moved = cv2.warpAffine(image, np.float32([[1, 0, shift[0]], [0, 1, shift[1]]]),
                           canvas.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    return np.where(oval(canvas, x, y)[..., None], moved, canvas)


def marked(mark: FrameMarker, image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A copy of an RGB image with the marks in it."""
    picture = CodedFrame.of_rgb(0, 0, image.copy())
    mark(picture, alpha)
    return picture.rgb()


def writer(out: pathlib.Path, info: video_reader.VideoInfo, key: str = "key", **settings):
    """A writer of one video of that size."""
    output = segments.Output(out, info.width, info.height)
    unfinished = segments.Unfinished(out, key)
    return segmented_writer.SegmentedWriter(unfinished, [output], like=info, **settings)


def copy(
    source: pathlib.Path,
    out: pathlib.Path,
    span: video_reader.Span = video_reader.WHOLE,
    **settings,
):
    """The clip read and written again; returns what was read."""
    frames = list(video_reader.read_frames(source, span))
    with writer(out, video_reader.probe(source), **settings) as writing:
        for frame in frames:
            writing.write([frame.image], frame.timestamp_us)
    return frames


def timed_packets(path: pathlib.Path, kind: str = "audio") -> list[tuple[float, bytes]]:
    """Seconds and content of the packets of one stream."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        packets = [p for p in container.demux(stream) if p.size]
        return [(float(p.pts * p.time_base), bytes(p)) for p in packets]


def contents(path: pathlib.Path, kind: str = "audio") -> list[bytes]:
    """Content of the packets of one stream."""
    return [content for _, content in timed_packets(path, kind)]


def encode_directly(path, images, times_us, codec="libx264", pix_fmt="yuv420p", **context):
    """A clip made by PyAV alone, for what no sample is like."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"crf": "4"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = video_reader.MICROSECONDS
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        for image, time_us in zip(images, times_us, strict=True):
            kind = "rgb48le" if image.dtype == np.uint16 else "rgb24"
            frame = av.VideoFrame.from_ndarray(image, format=kind)
            frame.pts, frame.time_base = int(time_us), video_reader.MICROSECONDS
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def turn(source: pathlib.Path, out: pathlib.Path, degrees: int) -> pathlib.Path:
    """The same packets under a display matrix."""
    with av.open(str(source)) as whole, av.open(str(out), "w") as turned:
        stream = whole.streams.video[0]
        copied = turned.add_stream_from_template(stream)
        copied.set_display_rotation(degrees)
        for packet in whole.demux(stream):
            if packet.size:
                packet.stream = copied
                turned.mux(packet)
    return out
