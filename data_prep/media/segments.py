"""Joins the closed segments of a video, with its sound, without encoding its frames again."""

from __future__ import annotations

import contextlib
import dataclasses
import fractions
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import av
import numpy as np

from data_prep.media.audio import AudioTrack, Sound, has_sound
from data_prep.media.container import MICROSECONDS, microseconds, muxer_options

_IMAGE_NAME = "%06d.png"


@dataclasses.dataclass(frozen=True)
class Segment:
    """Facts about a closed segment, the same for all videos that are written together.

    Attributes:
      timestamps: times of its frames, microseconds.
      reordering: see `VideoWriter`; the greatest of all videos.
      state: whatever the frames after it depend on, as JSON values.
    """

    timestamps: list[int]
    reordering: int
    state: Any


@dataclasses.dataclass(frozen=True)
class SegmentJoiner:
    """Joins segments of videos that share their frame rate, sound and tags.

    Attributes:
      fps: average frames per second.
      sound: sound of the videos, None for none.
      sound_path: file that the sound is taken from.
      start_us: time of the sound that becomes 0, microseconds.
      end_us: time before which the sound ends, microseconds; None for the end.
      metadata: tags of the files.
    """

    fps: fractions.Fraction
    sound: Sound | None
    sound_path: pathlib.Path
    start_us: int
    end_us: int | None
    metadata: Mapping[str, str]

    def to_file(
        self, files: Sequence[pathlib.Path], segments: Sequence[Segment], path: pathlib.Path
    ) -> None:
        """Joins the segments of one video to a media file.

        Args:
          files: file of each segment.
          segments: facts about each segment.
          path: file to write.
        """
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(av.open(str(path), "w", options=muxer_options(path)))
            output.metadata.update(self.metadata)

            # The first segment describes the stream for all of them: they have one encoding.
            first = stack.enter_context(av.open(str(files[0]))).streams.video[0]
            stream = output.add_stream_from_template(first, opaque=True)
            stream.time_base = MICROSECONDS
            if path.suffix != ".mkv":
                stream.codec_context.codec_tag = first.codec_context.codec_tag

            track = self._open_track(stack, output)
            for packet in self._packets(files, segments):
                packet.stream, time_us = stream, packet.pts or 0
                output.mux(packet)
                # Not all sound at the end: a player needs it beside the frames.
                if track:
                    track.write_until(time_us)
            if track:
                track.finish()

    def to_folder(
        self, files: Sequence[pathlib.Path], segments: Sequence[Segment], folder: pathlib.Path
    ) -> None:
        """Unpacks the segments of one video of PNG images to a folder.

        Beside the images, the folder gets `timestamps.txt`, their times in milliseconds as
        mkvmerge reads them, and `sound.mka` where there is sound.

        Args:
          files: file of each segment.
          segments: facts about each segment.
          folder: folder to make.
        """
        folder.mkdir()
        lines = ["# timestamp format v2"]
        for number, packet in enumerate(self._packets(files, segments)):
            (folder / (_IMAGE_NAME % number)).write_bytes(bytes(packet))
            lines.append(f"{(packet.pts or 0) / 1000:.3f}")
        (folder / "timestamps.txt").write_text("\n".join(lines) + "\n")
        if self.sound and has_sound(self.sound_path):
            with contextlib.ExitStack() as stack:
                output = stack.enter_context(av.open(str(folder / "sound.mka"), "w"))
                track = self._open_track(stack, output)
                assert track
                track.finish()

    def _open_track(
        self, stack: contextlib.ExitStack, output: av.container.OutputContainer
    ) -> AudioTrack | None:
        if not self.sound:
            return None
        return stack.enter_context(
            AudioTrack(output, self.sound_path, self.sound, self.start_us, self.end_us)
        )

    def _packets(
        self, files: Sequence[pathlib.Path], segments: Sequence[Segment]
    ) -> Iterator[av.Packet]:
        """Yields the video packets of all segments on one clock of microseconds.

        Decoding times are made anew: a decoder that returns frames in order holds as many
        back as the segment with the most reordering needs.
        """
        times = [time_us for segment in segments for time_us in segment.timestamps]
        step = round(1 / (self.fps * MICROSECONDS))
        durations = dict(zip(times, np.diff([*times, times[-1] + step]).tolist(), strict=True))

        # A packet is decoded when the frame `held` places before it is presented; the first
        # `held` packets are decoded before the video begins.
        held = max(segment.reordering for segment in segments)
        lead_in = [times[0] - step * (held - i) for i in range(held)]
        decoding_times = iter(lead_in + times)

        for file, segment in zip(files, segments, strict=True):
            exact = np.array(segment.timestamps)
            with av.open(str(file)) as container:
                for packet in container.demux(video=0):
                    if not packet.size:
                        continue
                    # Matroska has rounded the times to milliseconds; the segment has them all.
                    rounded_us = microseconds(packet.pts or 0, packet) + exact[0]
                    time_us = int(exact[np.abs(exact - rounded_us).argmin()])
                    packet.pts, packet.dts = time_us, next(decoding_times)
                    packet.duration = durations[time_us]
                    packet.time_base = MICROSECONDS
                    yield packet
