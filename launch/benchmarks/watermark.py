"""Robustness of the invisible watermark: whether it is found after attacks on a marked video."""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile
import time
from collections.abc import Callable

import cv2
import numpy as np
from skimage.metrics import structural_similarity

from data_prep.identity import people
from data_prep.media import video_reader
from data_prep.media.codecs import Encoding
from data_prep.media.coded_frame import CodedFrame
from data_prep.media.video_reader import Span, VideoInfo
from data_prep.media.video_writer import VideoWriter
from data_prep.pipeline import faces
from launch.benchmarks.harness import Table, Value
from sagan_jax.provenance import watermark

PAYLOAD = 0x5A6A_4158_0123_4567
_Frames = list[np.ndarray]


@dataclasses.dataclass(frozen=True)
class Clip:
    """A video in memory, with masks of its faces.

    Attributes:
      frames: frames, `[H, W, 3]` uint8 each.
      alphas: masks, `[H, W]` float32 each, 1 on the face.
      info: facts of the file.
    """

    frames: _Frames
    alphas: list[np.ndarray]
    info: VideoInfo


def load(path: pathlib.Path, span: Span) -> Clip:
    """Reads a part of a video, with masks of the face of its most visible person."""
    frames = {frame.index: frame.image for frame in video_reader.read_frames(path, span)}
    alphas = {index: np.zeros(image.shape[:2], np.float32) for index, image in frames.items()}
    for track in people.select_person(faces.analyse(path, span=span).people).tracks:
        for face in track.faces:
            hull = cv2.convexHull(face.landmarks.astype(np.int32))
            cv2.fillConvexPoly(alphas[face.frame_index], hull, 1.0)
    return Clip(list(frames.values()), list(alphas.values()), video_reader.probe(path))


def mark(clip: Clip, key: str = watermark.PUBLIC_KEY) -> _Frames:
    """Returns the frames with the watermark in them."""
    height, width = clip.frames[0].shape[:2]
    marker = watermark.Marker(height, width, PAYLOAD, key)
    coded = [CodedFrame.from_rgb(0, 0, frame.copy()) for frame in clip.frames]
    for frame, alpha in zip(coded, clip.alphas, strict=True):
        frame.brighten(marker(frame.luma(), alpha))
    return [frame.rgb() for frame in coded]


def encode(frames: _Frames, crf: int, clip: Clip, folder: pathlib.Path) -> _Frames:
    """Encodes frames as H.264, and decodes them again."""
    height, width = frames[0].shape[:2]
    path = folder / "encoded.mp4"
    with VideoWriter(
        path, width=width, height=height, like=clip.info, encoding=Encoding(crf=crf)
    ) as writer:
        for index, frame in enumerate(frames):
            writer.write(np.ascontiguousarray(frame), index * 40_000)
    return [frame.image for frame in video_reader.read_frames(path)]


def attacks(clip: Clip, folder: pathlib.Path) -> dict[str, Callable[[_Frames], _Frames]]:
    """Attacks by name: functions of frames that were rendered as H.264 at CRF 12."""

    def coded(frames: _Frames, crf: int = 23) -> _Frames:
        return encode(frames, crf, clip, folder)

    return {
        "as rendered (CRF 12)": lambda frames: frames,
        "H.264, CRF 23": coded,
        "H.264, CRF 28": lambda frames: coded(frames, 28),
        "75 % of the size, CRF 23": lambda frames: coded(_scaled(frames, 0.75)),
        "150 % of the size, CRF 23": lambda frames: coded(_scaled(frames, 1.5)),
        "10 % cropped, CRF 23": lambda frames: coded([_cropped(frame) for frame in frames]),
        "every other frame, CRF 23": lambda frames: coded(frames[::2]),
        "warmer and lighter, CRF 23": lambda frames: coded([_tinted(frame) for frame in frames]),
        "one frame, CRF 23": lambda frames: coded(frames)[len(frames) // 2 :][:1],
        "the face of one frame, CRF 23": lambda frames: [_face_of(coded(frames), clip)],
    }


def quality(clip: Clip, marked: _Frames) -> tuple[float, float]:
    """Least PSNR in dB and least SSIM of the luma, against the unmarked frames."""
    # The worst frame counts: it is the one that a viewer may notice.
    pairs = list(zip(clip.frames, marked, strict=True))
    errors = [np.square(a.astype(np.float32) - b).mean() for a, b in pairs]
    # SSIM is slow: about twenty frames are enough.
    similarities = [
        structural_similarity(*(cv2.cvtColor(i, cv2.COLOR_RGB2GRAY) for i in pair))
        for pair in pairs[:: max(1, len(pairs) // 20)]
    ]
    return float(10 * np.log10(255**2 / max(errors))), float(min(similarities))


def table(path: pathlib.Path, seconds: float) -> Table:
    """Measures the first seconds of one video."""
    clip = load(path, Span(end_s=seconds))
    # The first call fills caches, so only the second one is timed.
    mark(clip)
    started = time.perf_counter()
    marked = mark(clip)
    milliseconds = 1000 * (time.perf_counter() - started) / len(marked)
    psnr, ssim = quality(clip, marked)
    height, width = clip.frames[0].shape[:2]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        rendered = encode(marked, 12, clip, folder)
        findings = {
            name: watermark.find(attack(rendered)) for name, attack in attacks(clip, folder).items()
        }
    # Unmarked frames show that the detector raises no false alarm.
    findings["never marked"] = watermark.find(clip.frames)
    return Table(
        f"{path.name}, {width}x{height}, {len(marked)} frames: PSNR >= {psnr:.1f} dB, "
        f"SSIM >= {ssim:.4f}, {milliseconds:.2f} ms a frame",
        [_record(name, finding) for name, finding in findings.items()],
    )


def _record(attack: str, finding: watermark.Finding) -> dict[str, Value]:
    return {
        "after": attack,
        "found": "yes" if finding.found else "no",
        "z (needed)": f"{finding.strength:.1f} ({finding.threshold:.1f})",
        "payload": {None: "-", PAYLOAD: "read"}.get(finding.payload, "wrong"),
    }


def _scaled(frames: _Frames, scale: float) -> _Frames:
    kernel = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return [cv2.resize(f, None, fx=scale, fy=scale, interpolation=kernel) for f in frames]


def _cropped(frame: np.ndarray) -> np.ndarray:
    top, left = (side // 20 for side in frame.shape[:2])
    return frame[top : frame.shape[0] - top, left : frame.shape[1] - left]


def _tinted(frame: np.ndarray) -> np.ndarray:
    return np.clip(frame * np.array([1.2, 1.05, 0.95]) + 8, 0, 255).astype(np.uint8)


def _face_of(frames: _Frames, clip: Clip) -> np.ndarray:
    """Cuts out the face of the middle frame, with a margin of a tenth of its size."""
    index = len(frames) // 2
    rows, columns = np.nonzero(clip.alphas[index])
    margin = (np.ptp(rows) // 10, np.ptp(columns) // 10)
    top, left = max(rows.min() - margin[0], 0), max(columns.min() - margin[1], 0)
    return frames[index][top : rows.max() + margin[0], left : columns.max() + margin[1]]
