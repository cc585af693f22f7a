"""Renders one person of a trained model into a video of the other."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from launch import cli
from sagan_jax.blend import Blend
from sagan_jax.colour import Method

if TYPE_CHECKING:
    from sagan_jax.marking import Marks

CHECKPOINT = flags.DEFINE_string("checkpoint", None, "Training folder.", required=True)
VIDEO = flags.DEFINE_string("video", None, "Video to be changed; only read.", required=True)
TO = flags.DEFINE_enum("to", "a", ["a", "b"], "Who is to be seen: identity A or B.")
OUT = flags.DEFINE_string("out", None, "Video to be written (.mp4).", required=True)
SIDE_BY_SIDE = flags.DEFINE_string(
    "side_by_side", None, "Also write target, result and mask beside each other to this file."
)
START = flags.DEFINE_float("start", 0.0, "First second to convert.", lower_bound=0.0)
END = flags.DEFINE_float("end", None, "Second at which to stop; default: the end.", lower_bound=0.0)
MIN_FACE = flags.DEFINE_integer(
    "min_face", 40, "Smallest face looked for, pixels of the frame.", lower_bound=20
)
COLOUR = flags.DEFINE_enum_class(
    "colour", Method.MEAN_STD, Method,
    "How the swapped face gets the colours of the scene: not at all, by mean and spread, "
    "covariance, histograms, or optimal transport.",
)  # fmt: skip
BLEND = flags.DEFINE_enum_class(
    "blend", Blend.ALPHA, Blend,
    "How its edge is hidden: feathered mask, band by band, or gradients (OpenCV).",
)  # fmt: skip
SHARPEN = flags.DEFINE_bool("sharpen", True, "Make the swapped face as crisp as the scene.")
LABEL = flags.DEFINE_string("label", "", "Text to show in the lower left corner; default: none.")
CERTIFICATES = flags.DEFINE_string(
    "signing_certificates", None,
    "PEM file of the certificate chain that signs the manifest, leaf first; default: "
    "$SAGAN_SIGNING_CERTIFICATES, or a local identity made once.",
)  # fmt: skip
KEY = flags.DEFINE_string(
    "signing_key", None, "PEM file of its private key; default: $SAGAN_SIGNING_KEY."
)
TIME_STAMPS = flags.DEFINE_string(
    "time_stamp_authority", None,
    "Address of an RFC 3161 service to be asked for the time of signing; default: nobody.",
)  # fmt: skip
WATERMARK_KEY = flags.DEFINE_string(
    "watermark_key", None, "Secret text that keys the invisible mark; default: anyone can find it."
)
PROVENANCE = flags.DEFINE_enum(
    "provenance", "full", ["full", "none"],
    "Signed manifest and invisible watermark, or neither (which needs "
    "--i_accept_responsibility_for_labelling).",
)  # fmt: skip
RESPONSIBILITY = flags.DEFINE_bool(
    "i_accept_responsibility_for_labelling", False,
    "You mark the video as synthetic by other means; recorded beside the video.",
)  # fmt: skip
FORCE = flags.DEFINE_bool("force", False, "Replace existing outputs.")


def main(argv: Sequence[str]) -> None:
    del argv
    from data_prep import faces, video
    from sagan_jax import convert
    from sagan_jax.swap import Swapper

    source, output = pathlib.Path(VIDEO.value), pathlib.Path(OUT.value)
    side_by_side = pathlib.Path(SIDE_BY_SIDE.value) if SIDE_BY_SIDE.value else None
    video.probe(source)
    convert.check_outputs([path for path in (output, side_by_side) if path], source, FORCE.value)
    cli.require_writable_folder(output.parent)
    settings = convert.ConvertSettings(
        span=video.Span(START.value, END.value),
        face=faces.FaceSettings(min_face_size=MIN_FACE.value),
        colour=COLOUR.value,
        blend=BLEND.value,
        sharpen=SHARPEN.value,
    )
    marks = _marks()
    swapper = Swapper(CHECKPOINT.value, "ab".index(TO.value))
    done = convert.convert(swapper, source, output, marks, settings, side_by_side)
    print(f"{output}: {done.frames} frames, {done.swapped} swapped, {done.kept} left as they were")
    if marks.signer is None:
        print("NOT MARKED as synthetic: labelling it is your responsibility.")
    else:
        kind = " (a local identity, known to nobody else)" if marks.signer.local else ""
        print(f"Marked as synthetic; manifest signed by {marks.signer.name}{kind}.")


def _marks() -> Marks:
    from data_prep.errors import InputError
    from sagan_jax import marking, signing, watermark

    if PROVENANCE.value == "full":
        signer = signing.signing_identity(CERTIFICATES.value, KEY.value)
    elif RESPONSIBILITY.value:
        signer = None
    else:
        raise InputError(
            "--provenance=none renders a video without marks; add "
            "--i_accept_responsibility_for_labelling if you label it by other means"
        )
    return marking.Marks(
        signer, WATERMARK_KEY.value or watermark.PUBLIC_KEY, LABEL.value, TIME_STAMPS.value
    )


def run() -> None:
    """Console entry point."""
    cli.run(main)


if __name__ == "__main__":
    run()
