"""How videos are coded: which codecs there are, what each allows, and in which files."""

from __future__ import annotations

import dataclasses
import enum
import pathlib
from collections.abc import Mapping
from typing import Any

from data_prep.errors import InputError

_X_PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip


class Codec(enum.StrEnum):
    """A way of coding pictures.

    H264 plays everywhere. H265 and AV1 need less space, more time. PRORES is for editing.
    FFV1 loses nothing. PNG is a folder of numbered pictures.
    """

    H264 = "h264"
    H265 = "h265"
    AV1 = "av1"
    PRORES = "prores"
    FFV1 = "ffv1"
    PNG = "png"


@dataclasses.dataclass(frozen=True)
class _Coder:
    """What one codec allows.

    Attributes:
      encoder: FFmpeg's name of it.
      suffixes: of files that hold it; "" is a folder.
      formats: bits of a colour component to FFmpeg's pixel format; the first is the default.
      odd: likewise for odd sizes, where these need another format.
      transparent: likewise, for pictures with an alpha channel; none for none.
      crf: default and greatest quality number, None where there is none.
      presets: speeds; the first is the default.
      options: that it always gets.
      tag: under which players look for it, None for FFmpeg's choice.
    """

    encoder: str
    suffixes: tuple[str, ...]
    formats: Mapping[int, str]
    odd: Mapping[int, str] = dataclasses.field(default_factory=dict)
    transparent: Mapping[int, str] = dataclasses.field(default_factory=dict)
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
        "libx264", (".mp4", ".mov", ".mkv"), _420, _444, crf=(12, 51),
        presets=("fast", *_X_PRESETS), options={"x264-params": "bframes=0"},
    ),
    Codec.H265: _Coder(
        "libx265", (".mp4", ".mov", ".mkv"), _420, _444, crf=(12, 51),
        presets=("fast", *_X_PRESETS), options={"x265-params": "log-level=none"},
        tag="hvc1",
    ),
    Codec.AV1: _Coder(
        "libsvtav1", (".mp4", ".mkv"), _420, crf=(12, 63), presets=("8", *map(str, range(14)))
    ),
    # Its profile follows from the format: 422 HQ, or 4444 with transparency.
    Codec.PRORES: _Coder(
        "prores_ks", (".mov",), {10: "yuv422p10le"}, transparent={10: "yuva444p10le"}
    ),
    Codec.FFV1: _Coder(
        "ffv1", (".mkv",), {8: "bgr0", 10: "gbrp10le", 16: "gbrp16le"},
        transparent={8: "bgra", 10: "gbrap10le", 16: "gbrap16le"},
        options={"level": "3", "slicecrc": "1", "g": "1"},
    ),
    Codec.PNG: _Coder(
        "png", ("",), {8: "rgb24", 16: "rgb48be"}, transparent={8: "rgba", 16: "rgba64be"}
    ),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Encoding:
    """How pictures are coded.

    Attributes:
      codec: which way.
      bits: of a colour component; None for the codec's usual.
      crf: quality, 0 is best; None for one at which untouched pixels stay above 44 dB.
      preset: speed, as the encoder calls it; None for a good one.

    Raises:
      InputError: if the codec does not allow it.
    """

    codec: Codec = Codec.H264
    bits: int | None = None
    crf: int | None = None
    preset: str | None = None

    def __post_init__(self) -> None:
        coder, name = self._coder, self.codec.value
        if self.bits is not None and self.bits not in coder.formats:
            raise InputError(f"{name} has no {self.bits} bits; it has {_said(coder.formats)}")
        if self.crf is not None and coder.crf is None:
            raise InputError(f"{name} has no CRF; leave it out")
        if self.crf is not None and coder.crf and not 0 <= self.crf <= coder.crf[1]:
            raise InputError(f"{name} has no CRF {self.crf}; it goes from 0 to {coder.crf[1]}")
        if self.preset is not None and self.preset not in coder.presets:
            allowed = f"it has {_said(coder.presets[1:])}" if coder.presets else "it has none"
            raise InputError(f"{name} has no preset '{self.preset}'; {allowed}")

    @property
    def encoder(self) -> str:
        """FFmpeg's name of the encoder."""
        return self._coder.encoder

    @property
    def suffix(self) -> str:
        """Of files that hold it; "" for a folder."""
        return self._coder.suffixes[0]

    @property
    def depth(self) -> int:
        """Bits of a colour component."""
        return self.bits or next(iter(self._coder.formats))

    @property
    def tag(self) -> str | None:
        """Under which MP4 players look for it, None for FFmpeg's choice."""
        return self._coder.tag

    @property
    def is_rgb(self) -> bool:
        """Whether colours are kept as they are, and not as luma and chroma."""
        return self.codec in (Codec.FFV1, Codec.PNG)

    def pixel_format(self, width: int, height: int, transparent: bool = False) -> str:
        """FFmpeg's name of it for pictures of a size."""
        if transparent:
            return self._coder.transparent[self.depth]
        odd = width % 2 or height % 2
        return (self._coder.odd if odd and self._coder.odd else self._coder.formats)[self.depth]

    def options(self) -> dict[str, str]:
        """Of the encoder."""
        coder, options = self._coder, dict(self._coder.options)
        if coder.crf:
            options["crf"] = str(coder.crf[0] if self.crf is None else self.crf)
        if coder.presets:
            options["preset"] = self.preset or coder.presets[0]
        return options

    def check(self, path: pathlib.Path, transparent: bool = False) -> None:
        """Makes sure that a file of that name can hold it, with an alpha channel or without.

        Raises:
          InputError: if not.
        """
        if transparent and not self._coder.transparent:
            able = [codec.value for codec, coder in _CODERS.items() if coder.transparent]
            raise InputError(f"{path}: {self.codec.value} has no transparency; use {_said(able)}")
        if path.suffix in self._coder.suffixes:
            return
        if self._coder.suffixes == ("",):
            raise InputError(f"{path}: {self.codec.value} is a folder; give a name without suffix")
        raise InputError(
            f"{path}: {self.codec.value} is written into {_said(self._coder.suffixes)}; give a "
            "name that ends so, or another codec"
        )

    @property
    def _coder(self) -> _Coder:
        return _CODERS[self.codec]


def _said(options: Any) -> str:
    """One, two or three."""
    *others, last = map(str, options)
    return f"{', '.join(others)} or {last}" if others else last
