"""Clips for tests: made from the samples, transcoded, compared and taken apart."""

import pathlib

import av
import cv2
import numpy as np

from data_prep.media import segmented_writer, video_reader
from data_prep.media.coded_frame import CodedFrame
from sagan_jax.provenance.marking import FrameMarker


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two 8-bit images, decibels."""
    return 10 * np.log10(255**2 / np.square(a.astype(float) - b).mean())


def head_mask(canvas, x, y=180):
    """Region that `paste_head` covers around a point, `[H, W]` bool."""
    ellipse = np.zeros(canvas.shape[:2], np.uint8)
    return cv2.ellipse(ellipse, (int(x), int(y)), (70, 95), 0, 0, 360, 255, -1) > 0


def paste_head(canvas, image, head, x, y=180):
    """Copies the head at the point `head` of an image onto a canvas, around the point `(x, y)`."""
    shift = np.array([x, y]) - head
    transform = np.float32([[1, 0, shift[0]], [0, 1, shift[1]]])
    size = canvas.shape[1::-1]
    moved = cv2.warpAffine(image, transform, size, borderMode=cv2.BORDER_REPLICATE)
    return np.where(head_mask(canvas, x, y)[..., None], moved, canvas)


def marked(mark: FrameMarker, image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Copy of an RGB image with the marks in it."""
    frame = CodedFrame.from_rgb(0, 0, image.copy())
    mark(frame, alpha)
    return frame.rgb()


def writer(out: pathlib.Path, info: video_reader.VideoInfo, key: str = "key", **settings):
    """Writer of one video with the size and timing of another."""
    output = segmented_writer.OutputVideo(out, info.width, info.height)
    folder = segmented_writer.SegmentFolder(out, key)
    return segmented_writer.SegmentedWriter(folder, [output], like=info, **settings)


def transcode(
    source: pathlib.Path,
    out: pathlib.Path,
    span: video_reader.Span = video_reader.WHOLE,
    **settings,
):
    """Reads a clip and writes it again; returns the frames that were read."""
    frames = list(video_reader.read_frames(source, span))
    with writer(out, video_reader.probe(source), **settings) as segmented:
        for frame in frames:
            segmented.write([frame.image], frame.timestamp_us)
    return frames


def timed_packets(path: pathlib.Path, kind: str = "audio") -> list[tuple[float, bytes]]:
    """Timestamps in seconds, and contents, of the packets of one stream."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        packets = [p for p in container.demux(stream) if p.size]
        return [(float(p.pts * p.time_base), bytes(p)) for p in packets]


def packet_contents(path: pathlib.Path, kind: str = "audio") -> list[bytes]:
    """Contents of the packets of one stream."""
    return [content for _, content in timed_packets(path, kind)]


def encode_directly(path, images, times_us, codec="libx264", pix_fmt="yuv420p", **context):
    """Encodes a clip with PyAV alone, for properties that no sample has.

    Args:
      path: file to write.
      images: RGB images, uint8 or uint16.
      times_us: timestamp of each image, microseconds.
      codec: name of the encoder.
      pix_fmt: name of the pixel format.
      **context: attributes of the codec context.
    """
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


def rotate(source: pathlib.Path, out: pathlib.Path, degrees: int) -> pathlib.Path:
    """Copies the packets of a clip and adds a display rotation; returns `out`."""
    with av.open(str(source)) as original, av.open(str(out), "w") as rotated:
        stream = original.streams.video[0]
        copied = rotated.add_stream_from_template(stream)
        copied.set_display_rotation(degrees)
        for packet in original.demux(stream):
            if packet.size:
                packet.stream = copied
                rotated.mux(packet)
    return out
