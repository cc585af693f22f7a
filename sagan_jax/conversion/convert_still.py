"""A picture to a swapped picture."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Mapping

import cv2
import numpy as np

from data_prep.errors import InputError
from data_prep.media import video_reader
from data_prep.media.coded_frame import CodedFrame
from data_prep.media.container import written_aside
from data_prep.pipeline import faces
from data_prep.records import Frame
from data_prep.runtime import files
from sagan_jax.conversion import render_setup, sidecar
from sagan_jax.conversion.render_setup import ConvertSettings
from sagan_jax.conversion.sidecar import Conversion
from sagan_jax.conversion.views import View, show
from sagan_jax.provenance import manifest
from sagan_jax.provenance.manifest import Origin
from sagan_jax.provenance.marking import FrameMarker, Marks
from sagan_jax.rendering.swapper import Swapper

# How each kind of picture is written; JPEG with colours as fine as brightness.
_JPEG = [
    cv2.IMWRITE_JPEG_QUALITY, 95,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
]  # fmt: skip
_OPTIONS = {
    ".png": [cv2.IMWRITE_PNG_COMPRESSION, 4],
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 95],
}
_TRANSPARENT = (".png", ".webp")
# Where an ICC profile names its colour space (ICC.1:2022, 7.2).
_COLOUR_SPACE = slice(16, 20)
SUFFIXES = tuple(_OPTIONS)


def is_still(path: pathlib.Path) -> bool:
    """Whether a file is a picture, by its name."""
    return path.suffix.lower() in SUFFIXES


def check(path: pathlib.Path, transparent: bool) -> None:
    """Makes sure that a picture can be written under a name, with an alpha channel or without.

    Raises:
      InputError: if not.
    """
    fitting = _TRANSPARENT if transparent else SUFFIXES
    if path.suffix.lower() not in fitting:
        raise InputError(f"{path}: a picture ends in {', '.join(fitting)}; give such a name")


def convert_still(
    swapper: Swapper,
    source: pathlib.Path,
    outputs: Mapping[View, pathlib.Path],
    marks: Marks,
    settings: ConvertSettings = ConvertSettings(),
    force: bool = False,
) -> Conversion:
    """Replaces faces of a picture; as `convert.convert`.

    More than 8 bits are kept from PNG to PNG, and the colour profile, without which wide colours
    turn dull. What a camera wrote into the file (place, model, a thumbnail of the face that was
    replaced) is not: no camera took this picture.
    """
    info = video_reader.probe(source)
    settings = render_setup.with_masks_of(swapper, settings)
    target = {"name": source.name, "sha256": files.sha256_of(source)}
    key = render_setup.key_of(swapper, target, outputs, marks, settings)
    if (done := render_setup.done_before(outputs, key, force)) is not None:
        return done
    deep = info.bits > 8 and all(path.suffix == ".png" for path in outputs.values())
    read = functools.partial(
        video_reader.read_coded_frames, source, pixel_format="rgb48le" if deep else "rgb24"
    )
    picture = next(read())
    frame = Frame(picture.index, picture.timestamp_us, picture.rgb())
    analysis = faces.analyse(source, settings.face, stills=[frame])
    selection, renderer = render_setup.set_up(swapper, analysis, lambda wanted: [picture], settings)
    ((target_picture, result, alpha, _),) = renderer([picture])
    profile = _colour_profile(source)
    watermark = manifest.new_identifier() if marks.signer else None
    origin = sidecar.origin(swapper, target, settings.said(), settings.face, watermark)
    FrameMarker(marks, info.height, info.width, watermark or 0)(result, alpha)
    for view, path in outputs.items():
        write(path, show(view, target_picture, result, alpha), marks, origin, profile)
    reasons = {} if alpha.any() else {selection.why_kept(frame.index): 1}
    conversion = Conversion(1, 1 - len(reasons), reasons, selection.found)
    sidecar.write(next(iter(outputs.values())), key, origin, swapper, marks, conversion)
    return conversion


def write(
    path: pathlib.Path,
    image: CodedFrame | np.ndarray,
    marks: Marks,
    origin: Origin,
    profile: np.ndarray | None = None,
) -> None:
    """Writes a marked picture, of RGB or `[H, W, 4]`, uint8 or uint16, and signs it.

    Args:
      path: of the picture.
      image: which.
      marks: how it is marked as synthetic.
      origin: what the signature says.
      profile: ICC profile of its RGB, uint8; None for sRGB.

    Raises:
      InputError: if it cannot be written.
    """
    image = image.planes[0] if isinstance(image, CodedFrame) else image
    order = cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR
    kinds, said = ([], []) if profile is None else ([cv2.IMAGE_METADATA_ICCP], [profile])
    _, coded = cv2.imencodeWithMetadata(
        path.suffix.lower(), cv2.cvtColor(image, order), kinds, said, _options(path)
    )
    with written_aside(path, marks.sealing(origin)) as aside:
        try:
            aside.write_bytes(coded.tobytes())
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from error


def _colour_profile(path: pathlib.Path) -> np.ndarray | None:
    """The ICC profile of a picture, if it is one of RGB, as which all are written."""
    # Its pixels were read before; here as few of them as may be.
    _, kinds, said = cv2.imreadWithMetadata(str(path), flags=cv2.IMREAD_REDUCED_GRAYSCALE_8)
    profile = dict(zip(kinds, said, strict=True)).get(cv2.IMAGE_METADATA_ICCP)
    return profile if profile is not None and profile.tobytes()[_COLOUR_SPACE] == b"RGB " else None


def _options(path: pathlib.Path) -> list[int]:
    return _OPTIONS[path.suffix.lower()]
