"""Sound into a video: copied packet by packet, or coded where it is to be changed."""

from __future__ import annotations

import contextlib
import dataclasses
import fractions
import math
import pathlib
from collections.abc import Iterator, Sequence
from typing import Protocol

import av
from absl import logging

from data_prep.errors import InputError
from data_prep.media.container import (
    MICROSECONDS,
    microseconds,
    open_media,
    origin_us,
    packets,
    time_base,
)

# What players of MP4 expect in it; FFmpeg writes more.
_MP4 = {"aac", "mp2", "mp3", "ac3", "eac3", "opus", "flac", "alac"}
# Where sound is coded: 96 kbit/s a channel is beyond what is heard in AAC.
_CODERS = {".mp4": "aac", ".mov": "pcm_s24le", ".mkv": "flac", ".mka": "flac"}
_AAC_BITS = 96_000
_AAC_RATE = 48_000
# Names for what a raw stream only counts.
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
_SILENCE = -70.0
# Of FFmpeg's `atempo`.
_SLOWEST_STEP = 0.5
# At this rate pitch is changed, by playing faster or slower.
_PITCH_RATE = 48_000
# What is made louder is held below this.
_CLEAN_PEAK = 0.97


@dataclasses.dataclass(frozen=True)
class Sound:
    """Whose sound a video gets, and how it is changed.

    Unchanged it is copied bit for bit, except what the file cannot hold.

    Attributes:
      path: file it is taken from; its first picture, if it has any, is the time 0. None for
        the video whose pictures are used.
      gain_db: louder, decibels.
      tempo: faster, at the same pitch; from 0.5 to 2.
      pitch: higher, at the same tempo, semitones; from -12 to 12.
      as_loud_as: file whose integrated loudness (EBU R 128) it gets, before the gain.

    Raises:
      InputError: if tempo or pitch are beyond that.
    """

    path: pathlib.Path | None = None
    gain_db: float = 0.0
    tempo: float = 1.0
    pitch: float = 0.0
    as_loud_as: pathlib.Path | None = None

    def __post_init__(self) -> None:
        if not 0.5 <= self.tempo <= 2:
            raise InputError(f"the tempo of sound goes from 0.5 to 2, not to {self.tempo:g}")
        if abs(self.pitch) > 12:
            raise InputError(f"pitch is raised by -12 to 12 semitones, not by {self.pitch:g}")

    @property
    def is_changed(self) -> bool:
        """Whether it must be coded anew."""
        return (self.gain_db, self.tempo, self.pitch, self.as_loud_as) != (0.0, 1.0, 0.0, None)


class AudioTrack:
    """Every audio stream of one file into another; a context manager.

    Args:
      output: where to.
      path: where from.
      sound: how it is changed.
      start_us: time of the source that becomes 0.
      end_us: time before which the sound ends, None for the end.

    Raises:
      InputError: if the source cannot be read, or is to be changed and has no sound.
    """

    def __init__(
        self,
        output: av.container.OutputContainer,
        path: pathlib.Path,
        sound: Sound = Sound(),
        start_us: int = 0,
        end_us: int | None = None,
    ):
        self._path, self._sound, self._start_us = path, sound, start_us
        self._end_us = end_us
        self._origin_us = origin_us(path)
        self._source = open_media(path)
        self._damage: list[str] = []
        streams = self._source.streams.audio
        self._streams = {stream.index: self._add(output, stream) for stream in streams}
        self._packets = packets(self._source, streams, self._damage)
        self._next = next(self._packets, None) if streams else None

    def __enter__(self) -> AudioTrack:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()

    def write_until(self, time_us: float) -> None:
        """Writes what is heard before a time of the output."""
        source_us = time_us * self._sound.tempo + self._start_us
        while self._next is not None and self._time_us(self._next) < source_us:
            if self._is_wanted(self._next):
                self._streams[self._next.stream.index].add(self._next)
            self._next = next(self._packets, None)

    def finish(self) -> None:
        """Writes the rest."""
        self.write_until(math.inf)
        for stream in self._streams.values():
            stream.finish()
        if self._damage:
            logging.warning("%s: sound is damaged (%s).", self._path, self._damage[0])

    def _add(self, output: av.container.OutputContainer, stream: av.AudioStream) -> _Stream:
        codec = stream.codec_context.name.removesuffix("float")
        suffix = pathlib.Path(output.name).suffix
        holds = _MP4 if suffix == ".mp4" else output.supported_codecs
        zero_us = self._start_us + self._origin_us
        if codec in holds and not self._sound.is_changed:
            return _Copied(output, stream, zero_us)
        if codec not in holds:
            logging.warning("%s: %s cannot hold %s audio; coded as %s.",
                            self._path, suffix, codec, _CODERS[suffix])  # fmt: skip
        end_us = None if self._end_us is None else self._end_us - self._start_us
        volume = _volume(self._path, self._sound, stream.index)
        chain = [*_changes(self._sound, end_us), *volume]
        return _Coded(output, stream, chain, zero_us, self._damage)

    def _time_us(self, packet: av.Packet) -> float:
        """From the first picture; a packet without a time follows the one before."""
        if packet.pts is None:
            return -math.inf
        return microseconds(packet.pts, packet) - self._origin_us

    def _is_wanted(self, packet: av.Packet) -> bool:
        time_us = self._time_us(packet)
        # What lies before 0 primes the decoder and belongs to a whole copy.
        too_early = self._start_us > 0 and time_us < self._start_us
        too_late = self._end_us is not None and time_us >= self._end_us
        return not packet.size or not (too_early or too_late)


class _Stream(Protocol):
    """One audio stream of the output."""

    def add(self, packet: av.Packet) -> None:
        """Takes the next packet of the source; an empty one ends it."""

    def finish(self) -> None:
        """Writes what is left."""


class _Copied:
    """A stream that gets the very packets of the source."""

    def __init__(self, output: av.container.OutputContainer, stream: av.AudioStream, zero_us: int):
        self._output, self._zero_us = output, zero_us
        self._stream = output.add_stream_from_template(stream, opaque=True)

    def add(self, packet: av.Packet) -> None:
        if packet.pts is None:
            return
        shift = round(self._zero_us * MICROSECONDS / time_base(packet))
        packet.dts = (packet.pts if packet.dts is None else packet.dts) - shift
        packet.pts -= shift
        packet.stream = self._stream
        self._output.mux(packet)

    def finish(self) -> None:
        pass


class _Coded:
    """A stream that is decoded, changed and coded again."""

    def __init__(
        self,
        output: av.container.OutputContainer,
        stream: av.AudioStream,
        chain: Sequence[str],
        zero_us: int,
        damage: list[str],
    ):
        self._output, self._zero_us, self._damage = output, zero_us, damage
        codec = _CODERS[pathlib.Path(output.name).suffix]
        rates = av.Codec(codec, "w").audio_rates
        rate = _AAC_RATE if rates and stream.rate not in rates else stream.rate
        layout = _LAYOUTS.get(stream.channels, stream.layout.name)
        coded = output.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(coded, av.AudioStream)
        self._stream = coded
        if codec == "aac":
            self._stream.bit_rate = _AAC_BITS * stream.channels
        self._filter = _Filter(
            *chain, f"aresample={rate}",
            f"aformat=sample_fmts={self._stream.format.name}:channel_layouts={layout}",
        )  # fmt: skip
        self._samples = 0

    def add(self, packet: av.Packet) -> None:
        for frame in _decoded(packet, self._damage):
            shift = round(self._zero_us * MICROSECONDS / time_base(frame))
            frame.pts = (frame.pts or 0) - shift
            self._encode(self._filter(frame))

    def finish(self) -> None:
        self._encode(self._filter(None))
        self._output.mux(self._stream.encode(None))

    def _encode(self, frames: Iterator[av.AudioFrame]) -> None:
        for frame in frames:
            # Filters that change the rate lose count of time; there are no gaps any more.
            frame.pts, frame.time_base = self._samples, fractions.Fraction(1, frame.sample_rate)
            self._samples += frame.samples
            self._output.mux(self._stream.encode(frame))


class _Filter:
    """A chain of FFmpeg's filters; it is built when the first frame says what it holds."""

    def __init__(self, *chain: str):
        self._chain = chain
        self._graph: av.filter.Graph | None = None

    def __call__(self, frame: av.AudioFrame | None) -> Iterator[av.AudioFrame]:
        """What comes out after this frame went in; None for what is left."""
        if self._graph is None:
            if frame is None:
                return
            self._graph = self._built(frame)
        self._graph.push(frame)
        # Nothing more for now, and nothing more at all.
        with contextlib.suppress(av.BlockingIOError, av.EOFError):
            while True:
                pulled = self._graph.pull()
                assert isinstance(pulled, av.AudioFrame)
                yield pulled

    def _built(self, frame: av.AudioFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        start = graph.add_abuffer(
            sample_rate=frame.sample_rate, format=frame.format.name, layout=frame.layout.name,
            time_base=time_base(frame),
        )  # fmt: skip
        filters = (one.partition("=") for one in self._chain)
        nodes = [graph.add(name, arguments or None) for name, _, arguments in filters]
        graph.link_nodes(start, *nodes, graph.add("abuffersink")).configure()
        return graph


def has_sound(path: pathlib.Path) -> bool:
    """Whether there is an audio stream in a file."""
    with open_media(path) as container:
        return bool(container.streams.audio)


def loudness(path: pathlib.Path, sound: Sound | None = None, index: int | None = None) -> float:
    """Integrated loudness (EBU R 128) of a file, LUFS; -70 is silence.

    Args:
      path: with sound.
      sound: whose changes are made before it is measured.
      index: of the stream, None for the first with sound.

    Raises:
      InputError: if there is no sound.
    """
    with open_media(path) as container:
        streams = [one for one in container.streams.audio if index in (None, one.index)]
        if not streams:
            raise InputError(f"{path}: has no sound whose loudness could be kept")
        measure = _Filter(*_changes(sound, None) if sound else [], "ebur128=metadata=1")
        level = _SILENCE
        for packet in packets(container, streams[:1], []):
            for frame in [*_decoded(packet, []), *([] if packet.size else [None])]:
                for heard in measure(frame):
                    level = float(heard.metadata.get("lavfi.r128.I", level))
        return level


def _decoded(packet: av.Packet, damage: list[str]) -> list[av.AudioFrame]:
    stream = packet.stream
    assert isinstance(stream, av.AudioStream)
    try:
        return stream.decode(packet)
    except av.FFmpegError as error:
        damage.append(error.strerror or str(error))
        return []


def _changes(sound: Sound, end_us: int | None) -> list[str]:
    """Filters of time and pitch. Sound begins at 0 and has no gaps after the first of them."""
    chain = ["aresample=async=1:first_pts=0", "aformat=sample_fmts=fltp"]
    if end_us is not None:
        chain.append(f"atrim=end={end_us}us")
    higher = 2 ** (sound.pitch / 12)
    if higher != 1:
        chain += [f"asetrate={round(_PITCH_RATE * higher)}", f"aresample={_PITCH_RATE}"]
        chain.insert(1, f"aresample={_PITCH_RATE}")
    tempo = sound.tempo / higher
    if tempo < _SLOWEST_STEP:
        chain.append(f"atempo={_SLOWEST_STEP}")
        tempo /= _SLOWEST_STEP
    return chain if tempo == 1 else [*chain, f"atempo={tempo!r}"]


def _volume(path: pathlib.Path, sound: Sound, index: int) -> list[str]:
    """Filters of loudness."""
    gain = sound.gain_db
    if sound.as_loud_as is not None:
        wanted, have = loudness(sound.as_loud_as), loudness(path, sound, index)
        gain += wanted - have if min(wanted, have) > _SILENCE else 0
    if gain == 0:
        return []
    limiter = [f"alimiter=limit={_CLEAN_PEAK}:level=disabled:latency=1"] if gain > 0 else []
    return [f"volume={gain!r}dB", *limiter]
