"""Renders one person of a trained model into a video of the other."""

from __future__ import annotations

import pathlib
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from data_prep.encoding import Codec
from launch import cli
from sagan_jax.blend import Blend
from sagan_jax.colour import Method
from sagan_jax.views import View

if TYPE_CHECKING:
    from data_prep.audio import Sound
    from sagan_jax.marking import Marks

CHECKPOINT = flags.DEFINE_string("checkpoint", None, "Training folder.", required=True)
VIDEO = flags.DEFINE_string("video", None, "Video to be changed; only read.", required=True)
TO = flags.DEFINE_enum("to", "a", ["a", "b"], "Who is to be seen: identity A or B.")
OUT = flags.DEFINE_string(
    "out", None, "Video to be written, or folder for --codec=png.", required=True
)
VIEW = flags.DEFINE_enum(
    "view", View.RESULT.value, [*View, "all"],
    "What --out shows: the result; target, result and mask beside each other; the mask; or the "
    "new face alone, transparent around it, with its transforms in <out>.transforms.json (for "
    "--codec=prores, ffv1 or png). all: the result, and beside it <out>_side_by_side and "
    "<out>_mask.",
)  # fmt: skip
CODEC = flags.DEFINE_enum_class(
    "codec", Codec.H264, Codec,
    "How it is coded: H.264, H.265 or AV1 (.mp4; .mkv), ProRes 422 HQ (.mov), FFV1 (.mkv), or a "
    "folder of PNG pictures.",
)  # fmt: skip
BITS = flags.DEFINE_integer(
    "bits", None,
    "Of a colour component: 8 or 10, 16 for FFV1 and PNG. Where the video has more than 8, they "
    "are kept; default: 8, 10 for ProRes.",
)  # fmt: skip
CRF = flags.DEFINE_integer(
    "crf", None, "Quality, 0 is best; default: 12, untouched pixels stay above 44 dB."
)
PRESET = flags.DEFINE_string(
    "preset", None, "Speed of the encoder, in its words; default: fast, for AV1 8."
)
SEGMENT = flags.DEFINE_integer(
    "segment", 240, "Frames from one point where a stopped conversion can go on to the next.",
    lower_bound=16,
)  # fmt: skip
AUDIO = flags.DEFINE_string(
    "audio", "target",
    "Sound: that of the target, none, or of this file. It is copied bit for bit unless it is "
    "changed, or the file cannot hold it.",
)  # fmt: skip
GAIN = flags.DEFINE_float("audio_gain", 0.0, "Louder, decibels.", -60.0, 60.0)
TEMPO = flags.DEFINE_float("audio_tempo", 1.0, "Faster at the same pitch.", 0.5, 2.0)
PITCH = flags.DEFINE_float("audio_pitch", 0.0, "Higher at the same tempo, semitones.", -12.0, 12.0)
KEEP_LOUDNESS = flags.DEFINE_bool(
    "audio_keep_loudness", False,
    "Make it as loud as the sound of the target was (EBU R 128), before --audio_gain.",
)  # fmt: skip
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
    from data_prep.encoding import Encoding
    from sagan_jax import convert
    from sagan_jax.swap import Swapper

    source, output = pathlib.Path(VIDEO.value), pathlib.Path(OUT.value)
    video.probe(source)
    encoding = Encoding(CODEC.value, BITS.value, CRF.value, PRESET.value)
    outputs = _outputs(output)
    convert.check_outputs(outputs, source, encoding, FORCE.value)
    cli.require_writable_folder(output.parent)
    settings = convert.ConvertSettings(
        span=video.Span(START.value, END.value),
        face=faces.FaceSettings(min_face_size=MIN_FACE.value),
        colour=COLOUR.value,
        blend=BLEND.value,
        sharpen=SHARPEN.value,
        encoding=encoding,
        sound=_sound(source),
        segment=SEGMENT.value,
    )
    marks = _marks()
    swapper = Swapper(CHECKPOINT.value, "ab".index(TO.value))
    # A scheduler that wants the machine back is answered like Ctrl-C: what is done stays.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    done = convert.convert(swapper, source, outputs, marks, settings, FORCE.value)
    print(f"{output}: {done.frames} frames, {done.swapped} swapped, {done.kept} left as they were")
    if marks.signer is None:
        print("NOT MARKED as synthetic: labelling it is your responsibility.")
    else:
        kind = " (a local identity, known to nobody else)" if marks.signer.local else ""
        print(f"Marked as synthetic; manifest signed by {marks.signer.name}{kind}.")


def _outputs(output: pathlib.Path) -> dict[View, pathlib.Path]:
    everyone = [View.RESULT, View.SIDE_BY_SIDE, View.MASK]
    views = everyone if VIEW.value == "all" else [View(VIEW.value)]
    outputs = {
        view: output if view is views[0] else output.with_stem(f"{output.stem}_{view.value}")
        for view in views
    }
    if SIDE_BY_SIDE.value:
        outputs[View.SIDE_BY_SIDE] = pathlib.Path(SIDE_BY_SIDE.value)
    return outputs


def _sound(source: pathlib.Path) -> Sound | None:
    from data_prep import audio
    from data_prep.errors import InputError

    if AUDIO.value == "none":
        return None
    path = None if AUDIO.value == "target" else pathlib.Path(AUDIO.value)
    if path and not audio.has_sound(path):
        raise InputError(f"{path}: has no sound; give another --audio")
    reference = source if KEEP_LOUDNESS.value else None
    return audio.Sound(path, GAIN.value, TEMPO.value, PITCH.value, reference)


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
