"""The codecs that videos are written with, what each one allows, and which files hold it."""

from __future__ import annotations

import dataclasses
import enum
import pathlib
from collections.abc import Iterable, Mapping

from data_prep.errors import InputError

# Speeds of x264 and x265.
_X_PRESETS = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
)


class Codec(enum.StrEnum):
    """A codec that videos can be written with.

    H264 plays everywhere. H265 and AV1 need less space and more time. PRORES is for editing.
    FFV1 is lossless. PNG is a folder of numbered images.
    """

    H264 = "h264"
    H265 = "h265"
    AV1 = "av1"
    PRORES = "prores"
    FFV1 = "ffv1"
    PNG = "png"


@dataclasses.dataclass(frozen=True)
class _Coder:
    """The encoder of one codec, and its limits.

    Attributes:
      encoder: FFmpeg's name of the encoder.
      suffixes: suffixes of the files that can hold the codec; "" is a folder.
      formats: FFmpeg's pixel format by bits per colour component; the first is the default.
      odd_formats: the same for odd widths or heights, where these need another format.
      alpha_formats: the same for frames with an alpha channel; empty if the codec has none.
      crf: default and greatest quality number, None where there is none.
      presets: speeds; the first is the default.
      options: options that the encoder always gets.
      tag: code by which players recognise the codec, None for FFmpeg's choice.
    """

    encoder: str
    suffixes: tuple[str, ...]
    formats: Mapping[int, str]
    odd_formats: Mapping[int, str] = dataclasses.field(default_factory=dict)
    alpha_formats: Mapping[int, str] = dataclasses.field(default_factory=dict)
    crf: tuple[int, int] | None = None
    presets: tuple[str, ...] = ()
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)
    tag: str | None = None


_420 = {8: "yuv420p", 10: "yuv420p10le"}
_444 = {8: "yuv444p", 10: "yuv444p10le"}
# The default quality leaves untouched pixels of cap13 above 44 dB with each codec.
_CODERS = {
    # 4:2:0 has no odd sizes in H.264 and H.265.
    # With B frames and its macroblock tree x264 codes the same frames in another way from one
    # process to the next. Without B frames 162 of 162 runs in 27 processes gave the same bytes,
    # at the same size (117 and 116 kB).
    Codec.H264: _Coder(
        encoder="libx264",
        suffixes=(".mp4", ".mov", ".mkv"),
        formats=_420,
        odd_formats=_444,
        crf=(12, 51),
        presets=("fast", *_X_PRESETS),
        options={"x264-params": "bframes=0"},
    ),
    Codec.H265: _Coder(
        encoder="libx265",
        suffixes=(".mp4", ".mov", ".mkv"),
        formats=_420,
        odd_formats=_444,
        crf=(12, 51),
        presets=("fast", *_X_PRESETS),
        options={"x265-params": "log-level=none"},
        # Apple's players play H.265 under this tag only.
        tag="hvc1",
    ),
    Codec.AV1: _Coder(
        encoder="libsvtav1",
        suffixes=(".mp4", ".mkv"),
        formats=_420,
        crf=(12, 63),
        presets=("8", *map(str, range(14))),
    ),
    # The profile follows from the format: 422 HQ, or 4444 with an alpha channel.
    Codec.PRORES: _Coder(
        encoder="prores_ks",
        suffixes=(".mov",),
        formats={10: "yuv422p10le"},
        alpha_formats={10: "yuva444p10le"},
    ),
    Codec.FFV1: _Coder(
        encoder="ffv1",
        suffixes=(".mkv",),
        formats={8: "bgr0", 10: "gbrp10le", 16: "gbrp16le"},
        alpha_formats={8: "bgra", 10: "gbrap10le", 16: "gbrap16le"},
        options={"level": "3", "slicecrc": "1", "g": "1"},
    ),
    Codec.PNG: _Coder(
        encoder="png",
        suffixes=("",),
        formats={8: "rgb24", 16: "rgb48be"},
        alpha_formats={8: "rgba", 16: "rgba64be"},
    ),
}


@dataclasses.dataclass(frozen=True)
class Encoding:
    """Settings that a video is encoded with.

    Attributes:
      codec: codec of the video.
      bits: bits per colour component; None for the codec's default.
      crf: quality, 0 is best; None for one at which untouched pixels stay above 44 dB.
      preset: speed, by the encoder's name for it; None for a good one.

    Raises:
      InputError: if the codec does not allow one of the others.
    """

    codec: Codec = Codec.H264
    bits: int | None = None
    crf: int | None = None
    preset: str | None = None

    def __post_init__(self) -> None:
        coder, name = self._coder, self.codec.value
        if self.bits is not None and self.bits not in coder.formats:
            raise InputError(
                f"{name} has no {self.bits} bits; it has {_alternatives(coder.formats)}",
                setting="bits",
            )
        if self.crf is not None:
            if coder.crf is None:
                raise InputError(f"{name} has no CRF; leave it out", setting="crf")
            if not 0 <= self.crf <= coder.crf[1]:
                raise InputError(
                    f"{name} has no CRF {self.crf}; it goes from 0 to {coder.crf[1]}",
                    setting="crf",
                )
        if self.preset is not None and self.preset not in coder.presets:
            # The first of the presets is the default once more.
            allowed = _alternatives(coder.presets[1:]) if coder.presets else "none"
            raise InputError(
                f"{name} has no preset '{self.preset}'; it has {allowed}", setting="preset"
            )

    @property
    def encoder(self) -> str:
        """FFmpeg's name of the encoder."""
        return self._coder.encoder

    @property
    def suffix(self) -> str:
        """Usual suffix of files that hold the codec; "" for a folder."""
        return self._coder.suffixes[0]

    @property
    def depth(self) -> int:
        """Bits per colour component, 8, 10 or 16."""
        return self.bits or next(iter(self._coder.formats))

    @property
    def tag(self) -> str | None:
        """Code by which players of MP4 recognise the codec, None for FFmpeg's choice."""
        return self._coder.tag

    @property
    def is_rgb(self) -> bool:
        """Whether colours are stored as RGB, and not as luma and chroma."""
        return self.codec in (Codec.FFV1, Codec.PNG)

    def pixel_format(self, width: int, height: int, transparent: bool = False) -> str:
        """Returns FFmpeg's name of the pixel format for frames of a size.

        Args:
          width: pixels.
          height: pixels.
          transparent: whether the frames have an alpha channel.
        """
        if transparent:
            return self._coder.alpha_formats[self.depth]
        is_odd = width % 2 or height % 2
        if is_odd and self._coder.odd_formats:
            return self._coder.odd_formats[self.depth]
        return self._coder.formats[self.depth]

    def options(self) -> dict[str, str]:
        """Returns the options of FFmpeg's encoder."""
        coder, options = self._coder, dict(self._coder.options)
        if coder.crf:
            options["crf"] = str(coder.crf[0] if self.crf is None else self.crf)
        if coder.presets:
            options["preset"] = self.preset or coder.presets[0]
        return options

    def check(self, path: pathlib.Path, transparent: bool = False) -> None:
        """Checks that a file can hold the codec.

        Args:
          path: file or folder to be written.
          transparent: whether the frames have an alpha channel.

        Raises:
          InputError: if the suffix does not fit the codec, or the codec has no alpha channel.
        """
        name, suffixes = self.codec.value, self._coder.suffixes
        if transparent and not self._coder.alpha_formats:
            able = [codec.value for codec, coder in _CODERS.items() if coder.alpha_formats]
            raise InputError(
                f"{path}: {name} has no transparency; use {_alternatives(able)}", setting="codec"
            )
        if path.suffix in suffixes:
            return
        if suffixes == ("",):
            raise InputError(
                f"{path}: {name} is a folder; give a name without suffix", setting="codec"
            )
        raise InputError(
            f"{path}: {name} is written into {_alternatives(suffixes)}; give a name that ends "
            "so, or another codec",
            setting="codec",
        )

    @property
    def _coder(self) -> _Coder:
        return _CODERS[self.codec]


def _alternatives(options: Iterable[object]) -> str:
    """Joins options to "one, two or three"."""
    *others, last = map(str, options)
    return f"{', '.join(others)} or {last}" if others else last
