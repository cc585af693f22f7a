"""Puts sound into a video: copied packet by packet, or encoded again where it is changed."""

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

# Audio codecs that players expect in MP4; FFmpeg writes more.
_MP4_CODECS = {"aac", "mp2", "mp3", "ac3", "eac3", "opus", "flac", "alac"}
# Encoder by suffix where sound is not copied; losses of AAC are not heard at 96 kbit/s a channel.
_ENCODERS = {".mp4": "aac", ".mov": "pcm_s24le", ".mkv": "flac", ".mka": "flac"}
_AAC_BITS = 96_000
_AAC_RATE = 48_000
# Layouts of raw streams, which only state their number of channels.
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
# Loudness of silence as FFmpeg's `ebur128` gives it, LUFS.
_SILENCE = -70.0
# Least tempo of one pass through FFmpeg's `atempo`.
_SLOWEST_STEP = 0.5
# Pitch is changed by playing samples of this rate faster or slower.
_PITCH_RATE = 48_000
# Sound that is made louder is limited to this share of full scale, so that it does not clip.
_CLEAN_PEAK = 0.97


@dataclasses.dataclass(frozen=True)
class Sound:
    """The sound that a video gets, and how it is changed.

    Unchanged sound is copied bit for bit, unless the file cannot hold its codec.

    Attributes:
      path: file with the sound, whose time 0 is that of its first frame, if it has any. None
        takes the sound of the video that the frames come from.
      gain_db: gain, decibels.
      tempo: factor of speed at the same pitch, 0.5 to 2.
      pitch: change of pitch at the same tempo, -12 to 12 semitones.
      as_loud_as: file whose integrated loudness (EBU R 128) the sound gets, before the gain.

    Raises:
      InputError: if tempo or pitch are outside their range.
    """

    path: pathlib.Path | None = None
    gain_db: float = 0.0
    tempo: float = 1.0
    pitch: float = 0.0
    as_loud_as: pathlib.Path | None = None

    def __post_init__(self) -> None:
        if not 0.5 <= self.tempo <= 2:
            raise InputError(
                f"the tempo of sound goes from 0.5 to 2, not to {self.tempo:g}", setting="tempo"
            )
        if abs(self.pitch) > 12:
            raise InputError(
                f"pitch is raised by -12 to 12 semitones, not by {self.pitch:g}", setting="pitch"
            )

    @property
    def is_changed(self) -> bool:
        """Whether the sound must be encoded again."""
        return (self.gain_db, self.tempo, self.pitch, self.as_loud_as) != (0.0, 1.0, 0.0, None)


class AudioTrack:
    """Puts every audio stream of one file into another; a context manager.

    Args:
      output: file to write.
      path: file with the sound.
      sound: changes of the sound.
      start_us: time of the source that becomes 0, microseconds.
      end_us: time of the source before which the sound ends, microseconds; None for the end.

    Raises:
      InputError: if a file cannot be read, or one whose loudness is needed has no sound.
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
        """Writes the sound before a time of the output, microseconds."""
        source_us = time_us * self._sound.tempo + self._start_us
        while self._next is not None and self._time_us(self._next) < source_us:
            if self._is_wanted(self._next):
                self._streams[self._next.stream.index].add(self._next)
            self._next = next(self._packets, None)

    def finish(self) -> None:
        """Writes the rest of the sound; warns if the source is damaged."""
        self.write_until(math.inf)
        for stream in self._streams.values():
            stream.finish()
        if self._damage:
            logging.warning("%s: sound is damaged (%s).", self._path, self._damage[0])

    def _add(self, output: av.container.OutputContainer, stream: av.AudioStream) -> _Stream:
        # "mp3float" is FFmpeg's decoder of the codec "mp3".
        codec = stream.codec_context.name.removesuffix("float")
        suffix = pathlib.Path(output.name).suffix
        supported = _MP4_CODECS if suffix == ".mp4" else output.supported_codecs
        zero_us = self._start_us + self._origin_us
        if codec in supported and not self._sound.is_changed:
            return _CopiedStream(output, stream, zero_us)
        if codec not in supported:
            encoder = _ENCODERS[suffix]
            logging.warning(
                "%s: %s cannot hold %s audio; coded as %s.", self._path, suffix, codec, encoder
            )
        end_us = None if self._end_us is None else self._end_us - self._start_us
        volume = _volume_filters(self._path, self._sound, stream.index)
        filters = [*_time_and_pitch_filters(self._sound, end_us), *volume]
        return _EncodedStream(output, stream, filters, zero_us, self._damage)

    def _time_us(self, packet: av.Packet) -> float:
        """Returns the time of a packet from the first frame of its file, microseconds."""
        # A packet without a time is written at once: it follows the one before.
        if packet.pts is None:
            return -math.inf
        return microseconds(packet.pts, packet) - self._origin_us

    def _is_wanted(self, packet: av.Packet) -> bool:
        time_us = self._time_us(packet)
        # Packets before 0 prime the decoder and belong to the copy of a whole file.
        too_early = self._start_us > 0 and time_us < self._start_us
        too_late = self._end_us is not None and time_us >= self._end_us
        return not packet.size or not (too_early or too_late)


class _Stream(Protocol):
    """One audio stream of the output."""

    def add(self, packet: av.Packet) -> None:
        """Takes the next packet of the source; an empty one ends the stream."""

    def finish(self) -> None:
        """Writes the rest of the stream."""


class _CopiedStream:
    """An audio stream that gets the packets of the source as they are."""

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


class _EncodedStream:
    """An audio stream that is decoded, filtered and encoded again."""

    def __init__(
        self,
        output: av.container.OutputContainer,
        stream: av.AudioStream,
        filters: Sequence[str],
        zero_us: int,
        damage: list[str],
    ):
        self._output, self._zero_us, self._damage = output, zero_us, damage
        encoder = _ENCODERS[pathlib.Path(output.name).suffix]
        # An encoder without a list of rates takes any.
        rates = av.Codec(encoder, "w").audio_rates
        rate = _AAC_RATE if rates and stream.rate not in rates else stream.rate
        layout = _LAYOUTS.get(stream.channels, stream.layout.name)
        encoded = output.add_stream(encoder, rate=rate, layout=layout)
        assert isinstance(encoded, av.AudioStream)
        self._stream = encoded
        if encoder == "aac":
            self._stream.bit_rate = _AAC_BITS * stream.channels
        self._filter = _FilterChain(
            *filters,
            f"aresample={rate}",
            f"aformat=sample_fmts={self._stream.format.name}:channel_layouts={layout}",
        )
        self._samples = 0

    def add(self, packet: av.Packet) -> None:
        for frame in _decode_packet(packet, self._damage):
            shift = round(self._zero_us * MICROSECONDS / time_base(frame))
            frame.pts = (frame.pts or 0) - shift
            self._encode(self._filter(frame))

    def finish(self) -> None:
        self._encode(self._filter(None))
        self._output.mux(self._stream.encode(None))

    def _encode(self, frames: Iterator[av.AudioFrame]) -> None:
        for frame in frames:
            # Filters that change the rate lose count of time. The samples can be counted
            # instead, since the first filter has closed all gaps.
            frame.pts, frame.time_base = self._samples, fractions.Fraction(1, frame.sample_rate)
            self._samples += frame.samples
            self._output.mux(self._stream.encode(frame))


class _FilterChain:
    """A chain of FFmpeg's audio filters, built when the first frame tells its format.

    Args:
      filters: each one as on FFmpeg's command line, `name` or `name=arguments`.
    """

    def __init__(self, *filters: str):
        self._filters = filters
        self._graph: av.filter.Graph | None = None

    def __call__(self, frame: av.AudioFrame | None) -> Iterator[av.AudioFrame]:
        """Filters a frame and yields all frames that are ready; None flushes the chain."""
        if self._graph is None:
            if frame is None:
                return
            self._graph = self._build(frame)
        self._graph.push(frame)
        # Either error ends the loop: no frame is ready yet, or none is left.
        with contextlib.suppress(av.BlockingIOError, av.EOFError):
            while True:
                filtered = self._graph.pull()
                assert isinstance(filtered, av.AudioFrame)
                yield filtered

    def _build(self, frame: av.AudioFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        start = graph.add_abuffer(
            sample_rate=frame.sample_rate,
            format=frame.format.name,
            layout=frame.layout.name,
            time_base=time_base(frame),
        )
        nodes = []
        for text in self._filters:
            name, _, arguments = text.partition("=")
            nodes.append(graph.add(name, arguments or None))
        graph.link_nodes(start, *nodes, graph.add("abuffersink")).configure()
        return graph


def has_sound(path: pathlib.Path) -> bool:
    """Whether a file has an audio stream.

    Raises:
      InputError: if the file cannot be read.
    """
    with open_media(path) as container:
        return bool(container.streams.audio)


def loudness(path: pathlib.Path, sound: Sound | None = None, index: int | None = None) -> float:
    """Measures the integrated loudness (EBU R 128) of a file, LUFS; -70 is silence.

    Args:
      path: file with sound.
      sound: changes of tempo and pitch made before the sound is measured, None for none.
      index: number of the stream in the file, None for the first audio stream.

    Raises:
      InputError: if the file cannot be read, or has no such stream.
    """
    with open_media(path) as container:
        streams = [stream for stream in container.streams.audio if index in (None, stream.index)]
        if not streams:
            raise InputError(f"{path}: has no sound whose loudness could be kept")
        filters = _time_and_pitch_filters(sound, None) if sound else []
        measure = _FilterChain(*filters, "ebur128=metadata=1")
        level = _SILENCE
        for packet in packets(container, streams[:1], []):
            # The last packet is empty; after it the filters are flushed.
            frames = [*_decode_packet(packet, []), *([] if packet.size else [None])]
            for frame in frames:
                for measured in measure(frame):
                    level = float(measured.metadata.get("lavfi.r128.I", level))
        return level


def _decode_packet(packet: av.Packet, damage: list[str]) -> list[av.AudioFrame]:
    """Decodes a packet; if it is damaged, returns nothing and adds to `damage`."""
    stream = packet.stream
    assert isinstance(stream, av.AudioStream)
    try:
        return stream.decode(packet)
    except av.FFmpegError as error:
        damage.append(error.strerror or str(error))
        return []


def _time_and_pitch_filters(sound: Sound, end_us: int | None) -> list[str]:
    """Returns filters of tempo and pitch.

    The first of them lets the sound begin at 0 and closes all gaps.
    """
    filters = ["aresample=async=1:first_pts=0", "aformat=sample_fmts=fltp"]
    if end_us is not None:
        filters.append(f"atrim=end={end_us}us")
    # Samples of one rate played at another have another pitch, and another tempo, too.
    pitch_ratio = 2 ** (sound.pitch / 12)
    if pitch_ratio != 1:
        played_rate = round(_PITCH_RATE * pitch_ratio)
        filters += [f"asetrate={played_rate}", f"aresample={_PITCH_RATE}"]
        filters.insert(1, f"aresample={_PITCH_RATE}")
    tempo = sound.tempo / pitch_ratio
    # Two steps reach a quarter, the slowest that tempo and pitch allow together.
    if tempo < _SLOWEST_STEP:
        filters.append(f"atempo={_SLOWEST_STEP}")
        tempo /= _SLOWEST_STEP
    return filters if tempo == 1 else [*filters, f"atempo={tempo!r}"]


def _volume_filters(path: pathlib.Path, sound: Sound, index: int) -> list[str]:
    """Returns filters of loudness for stream `index` of a file."""
    gain = sound.gain_db
    if sound.as_loud_as is not None:
        # Silence has no loudness to match.
        wanted, measured = loudness(sound.as_loud_as), loudness(path, sound, index)
        gain += wanted - measured if min(wanted, measured) > _SILENCE else 0
    if gain == 0:
        return []
    limiter = [f"alimiter=limit={_CLEAN_PEAK}:level=disabled:latency=1"] if gain > 0 else []
    return [f"volume={gain!r}dB", *limiter]
