"""Copied sound against the packets of the source, changed sound against its spectrum."""

import av
import numpy as np
import pytest

from data_prep.errors import InputError
from data_prep.media import audio, video_reader
from data_prep.media.audio import AudioTrack, Sound
from tests.support.clips import packet_contents, timed_packets, transcode, writer

_RATE = 48_000


def _tone(path, hertz=440.0, seconds=4.0, layout="stereo", codec="aac"):
    """Writes a tone, another one on every channel, at a quarter of full scale."""
    channels = av.AudioLayout(layout).nb_channels
    time = np.arange(round(seconds * _RATE)) / _RATE
    waves = [0.25 * np.sin(2 * np.pi * hertz * (1 + i) * time) for i in range(channels)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=_RATE, layout=layout)
        for start in range(0, len(time), 1024):
            part = np.array(waves, np.float32)[:, start : start + 1024]
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = _RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _rewritten(source, out, **changes):
    sound = Sound(**changes)
    with av.open(str(out), "w") as container, AudioTrack(container, source, sound) as track:
        track.finish()
    return out


def _samples(path):
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    return np.concatenate([frame.to_ndarray() for frame in frames], 1), frames[0].sample_rate


def _pitch(channel, rate):
    middle = channel[len(channel) // 4 : -len(channel) // 4]
    return np.abs(np.fft.rfft(middle * np.hanning(len(middle)))).argmax() * rate / len(middle)


@pytest.mark.parametrize(
    "name", ["WolfgangLanger_Pexels.mp4", "single_face.mp4", "bigbuckbunny.mp4", "face_noface.mov"]
)
def test_audio_is_copied_bit_for_bit(samples, tmp_path, name):
    transcode(samples / name, tmp_path / "copy.mp4", video_reader.Span(end_s=0.5), sound=Sound())
    assert packet_contents(tmp_path / "copy.mp4") == packet_contents(samples / name)
    ours, theirs = timed_packets(tmp_path / "copy.mp4"), timed_packets(samples / name)
    assert ours[9][0] == pytest.approx(theirs[9][0], abs=2e-3)


def test_the_sound_of_a_part_begins_with_its_frames(samples, tmp_path):
    source, start_s = samples / "bigbuckbunny.mp4", 1.0
    span, limits = video_reader.Span(start_s, 2.0), {"start_us": 1_000_000, "end_us": 2_000_000}
    transcode(source, tmp_path / "part.mp4", span, sound=Sound(), **limits)
    written = timed_packets(tmp_path / "part.mp4")
    wanted = [(at - start_s, b) for at, b in timed_packets(source) if start_s <= at < 2.0]
    assert [content for _, content in written] == [content for _, content in wanted]
    assert written[0][0] == pytest.approx(wanted[0][0], abs=1e-3)


def test_a_video_gets_the_sound_of_another_file_or_none(samples, tmp_path):
    clip, other = samples / "cap13_edit2.mp4", samples / "single_face.mp4"
    transcode(clip, tmp_path / "none.mp4", video_reader.Span(end_s=0.2))
    transcode(clip, tmp_path / "other.mp4", video_reader.Span(end_s=0.2), sound=Sound(other))
    assert not audio.has_sound(tmp_path / "none.mp4")
    assert packet_contents(tmp_path / "other.mp4") == packet_contents(other)


@pytest.mark.parametrize(
    ("changes", "seconds", "hertz"),
    [
        ({"tempo": 1.25}, 3.2, 440),
        ({"tempo": 0.5, "pitch": 12.0}, 8.0, 880),
        ({"pitch": 3.0}, 4.0, 440 * 2 ** (3 / 12)),
        ({"pitch": -12.0}, 4.0, 220),
    ],
)
def test_tempo_and_pitch_change_independently(tmp_path, changes, seconds, hertz):
    tone = _tone(tmp_path / "tone.mov", codec="pcm_s16le")
    channels, rate = _samples(_rewritten(tone, tmp_path / "x.mkv", **changes))
    assert channels.size / 2 / rate == pytest.approx(seconds, rel=0.01)
    left = channels.reshape(-1, 2)[:, 0].astype(float)
    assert _pitch(left, rate) == pytest.approx(hertz, rel=0.005)


def test_gain_is_in_decibels_and_channels_keep_their_order(tmp_path):
    tone = _tone(tmp_path / "tone.mp4", layout="5.1")
    before, _ = _samples(tone)
    after, _ = _samples(_rewritten(tone, tmp_path / "x.mp4", gain_db=-6.0))
    assert after.shape[0] == 6
    ratio = np.square(after).mean(1) / np.square(before).mean(1)
    assert 10 * np.log10(ratio[[0, 1, 2, 4, 5]]) == pytest.approx(-6, abs=0.3)
    # Each channel still carries its own tone; the fourth, of low frequencies, is cut by AAC.
    for i in (0, 1, 2, 4, 5):
        assert _pitch(after[i], _RATE) == pytest.approx(440 * (1 + i), rel=0.01)


def test_sound_gets_the_loudness_of_another_file(tmp_path):
    loud, quiet = _tone(tmp_path / "loud.mp4"), tmp_path / "quiet.mp4"
    _rewritten(loud, quiet, gain_db=-20.0)
    assert audio.loudness(loud) - audio.loudness(quiet) == pytest.approx(20, abs=0.2)
    again = _rewritten(quiet, tmp_path / "again.mp4", pitch=2.0, as_loud_as=loud)
    assert audio.loudness(again) == pytest.approx(audio.loudness(loud), abs=0.3)


def test_louder_sound_does_not_clip(tmp_path):
    tone = _tone(tmp_path / "tone.mp4")
    channels, _ = _samples(_rewritten(tone, tmp_path / "x.mov", gain_db=20.0))
    peak = np.abs(channels.astype(float)).max() / np.iinfo(channels.dtype).max
    assert 0.9 < peak < 0.99


def test_changed_sound_stays_in_step_with_the_frames(samples, tmp_path):
    """A click at 2 s is heard 1 s after the cut at 1 s, also if the source begins late."""
    source = tmp_path / "click.mkv"
    wave = np.zeros((1, 3 * _RATE), np.int16)
    wave[0, 2 * _RATE : 2 * _RATE + 48] = 30_000
    info = video_reader.probe(samples / "cap13_edit2.mp4")
    with av.open(str(source), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=_RATE, layout="mono")
        for start in range(_RATE // 2, wave.shape[1], 4800):
            frame = av.AudioFrame.from_ndarray(wave[:, start : start + 4800], layout="mono")
            frame.sample_rate, frame.pts = _RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for start_s, tempo, heard_s in ((0.0, 1.0, 2.0), (1.0, 1.0, 1.0), (1.0, 0.8, 1.25)):
        out = tmp_path / "x.mkv"
        sound = Sound(source, gain_db=-3.0, tempo=tempo)
        start_us = round(start_s * 1e6)
        with writer(out, info, sound=sound, start_us=start_us) as writing:
            writing.write([np.zeros((300, 400, 3), np.uint8)], start_us)
        channels, rate = _samples(out)
        assert np.abs(channels[0]).argmax() / rate == pytest.approx(heard_s, abs=0.03)


def test_sound_that_the_file_cannot_hold_is_encoded_again(tmp_path, caplog):
    tone = _tone(tmp_path / "tone.mkv", codec="pcm_s16le", layout="5.1")
    _rewritten(tone, tmp_path / "x.mp4")
    with av.open(str(tmp_path / "x.mp4")) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name == "aac" and stream.layout.name == "5.1"
    assert "cannot hold pcm_s16le audio" in caplog.text
    assert audio.loudness(tmp_path / "x.mp4") == pytest.approx(audio.loudness(tone), abs=0.3)


@pytest.mark.parametrize("changes", [{}, {"gain_db": -1.0}])
def test_the_sound_of_a_truncated_source_is_written_as_far_as_it_goes(tmp_path, changes):
    whole = _tone(tmp_path / "tone.mkv").read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) // 2])
    channels, rate = _samples(_rewritten(cut, tmp_path / "x.mp4", **changes))
    assert 1.5 < channels.shape[1] / rate < 2.5


@pytest.mark.parametrize("changes", [{"tempo": 3.0}, {"pitch": 13.0}])
def test_a_change_out_of_range_is_refused_by_name(changes):
    with pytest.raises(InputError, match=r"to 2|to 12") as refused:
        Sound(**changes)
    assert refused.value.setting in changes
