"""A target image to a swapped image."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

import cv2
import numpy as np

from data_prep.errors import InputError
from data_prep.media import video_reader
from data_prep.media.coded_frame import CodedFrame
from data_prep.media.video_reader import VideoInfo
from data_prep.pipeline import faces
from data_prep.records import Frame
from data_prep.runtime import files
from data_prep.runtime.files import write_atomically
from sagan_jax.conversion import render_setup, sidecar, views
from sagan_jax.conversion.convert_settings import ConvertSettings, View
from sagan_jax.conversion.sidecar import Conversion
from sagan_jax.provenance import manifest
from sagan_jax.provenance.manifest import NamedFile, Origin
from sagan_jax.provenance.marking import FrameMarker, Marks
from sagan_jax.rendering.swapper import Swapper

# JPEG with chroma as fine as luma: subsampling would blur the edge of the face.
_JPEG = [
    cv2.IMWRITE_JPEG_QUALITY,
    95,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
]
# Options of OpenCV's encoder for each kind of image.
_OPTIONS = {
    ".png": [cv2.IMWRITE_PNG_COMPRESSION, 4],
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 95],
}
_TRANSPARENT = (".png", ".webp")
# Bytes in which an ICC profile names its colour space (ICC.1:2022, 7.2).
_COLOUR_SPACE = slice(16, 20)
SUFFIXES = tuple(_OPTIONS)


def is_still(path: pathlib.Path) -> bool:
    """Whether a file is an image, by its name."""
    return path.suffix.lower() in SUFFIXES


def check(path: pathlib.Path, transparent: bool) -> None:
    """Checks that an image can be written under a name.

    Args:
      path: file to be written.
      transparent: whether the image has an alpha channel.

    Raises:
      InputError: if the suffix is not that of an image, or of none with an alpha channel.
    """
    suffixes = _TRANSPARENT if transparent else SUFFIXES
    if path.suffix.lower() not in suffixes:
        raise InputError(
            f"{path}: an image ends in {', '.join(suffixes)}; give such a name", setting="out"
        )


def convert_still(
    swapper: Swapper,
    source: pathlib.Path,
    outputs: Mapping[View, pathlib.Path],
    marks: Marks,
    settings: ConvertSettings = ConvertSettings(),
    force: bool = False,
) -> Conversion:
    """Replaces faces of an image, like `convert_video.convert` those of a video.

    More than 8 bits are kept from PNG to PNG, and so is the colour profile, without which wide
    colours turn dull. What a camera wrote into the file (place, model, a thumbnail of the face that
    was replaced) is not kept: no camera took this image.

    Args:
      swapper: the trained generator.
      source: image to convert; it is only read.
      outputs: images to write, by what they show.
      marks: how the images are marked as synthetic.
      settings: settings of the conversion.
      force: whether other outputs of these names are replaced.

    Raises:
      InputError: if the image cannot be read, does not show the person, or cannot be written.
    """
    info = video_reader.probe(source)
    settings = render_setup.with_masks_of(swapper, settings)
    target = NamedFile(source.name, files.sha256_of(source))
    key = render_setup.key_of(swapper, target, outputs, marks, settings)
    if (finished := render_setup.finished_conversion(outputs, key, force)) is not None:
        return finished

    # An image is a video of one frame to the face pipeline and the renderer.
    coded = _read(info, outputs)
    frame = Frame(coded.index, coded.timestamp_us, coded.rgb())
    analysis = faces.analyse(info, settings.face, stills=[frame])
    selection, renderer = render_setup.set_up(swapper, analysis, lambda wanted: [coded], settings)
    (rendered,) = renderer([coded])

    # All views carry the same payload, the one that their manifests name.
    watermark = manifest.new_identifier() if marks.signer else None
    origin = sidecar.origin_of(swapper, target, settings.to_json(), settings.face, watermark)
    mark = FrameMarker(marks, info.height, info.width, watermark or 0)
    mark(rendered.result, rendered.alpha)
    profile = _colour_profile(source)
    for view, path in outputs.items():
        image = views.compose(view, rendered.target, rendered.result, rendered.alpha)
        write(path, image, marks, origin, profile)

    reasons = {} if rendered.alpha.any() else {selection.reason_kept(frame.index): 1}
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
    """Writes a marked image and signs it.

    Args:
      path: file to write.
      image: RGB frame, or `[H, W, 3]` or `[H, W, 4]` RGB, uint8 or uint16.
      marks: how the image is marked as synthetic.
      origin: content of its manifest.
      profile: ICC profile of its RGB, uint8; None for sRGB.

    Raises:
      InputError: if it cannot be written.
    """
    pixels = image.planes[0] if isinstance(image, CodedFrame) else image
    order = cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    suffix = path.suffix.lower()
    _, encoded = cv2.imencodeWithMetadata(
        suffix,
        cv2.cvtColor(pixels, order),
        [] if profile is None else [cv2.IMAGE_METADATA_ICCP],
        [] if profile is None else [profile],
        _OPTIONS[suffix],
    )
    with write_atomically(path, marks.sealing(origin)) as aside:
        try:
            aside.write_bytes(encoded.tobytes())
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from error


def _read(info: VideoInfo, outputs: Mapping[View, pathlib.Path]) -> CodedFrame:
    """Reads an image as RGB; with 16 bits if it has more than 8 and the outputs can hold them."""
    deep = info.bits > 8 and all(path.suffix == ".png" for path in outputs.values())
    pixel_format = "rgb48le" if deep else "rgb24"
    return next(video_reader.read_coded_frames(info, pixel_format=pixel_format))


def _colour_profile(path: pathlib.Path) -> np.ndarray | None:
    """Reads the ICC profile of an image; None if it has none or the profile is not one of RGB."""
    # The pixels have been read before; the smallest version of them is decoded here.
    _, kinds, contents = cv2.imreadWithMetadata(str(path), flags=cv2.IMREAD_REDUCED_GRAYSCALE_8)
    profile = dict(zip(kinds, contents, strict=True)).get(cv2.IMAGE_METADATA_ICCP)
    # Outputs are always RGB, which a profile of another colour space would misdescribe.
    is_rgb = profile is not None and profile.tobytes()[_COLOUR_SPACE] == b"RGB "
    return profile if is_rgb else None
