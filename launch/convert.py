"""Renders one person of a trained model into videos and pictures of the other.

Of several files one that cannot be converted is reported and the others go on; started again,
only what is not done yet is done. Exit code: 0 all are done, 3 some could not be converted,
1 none.
"""

from __future__ import annotations

import dataclasses
import pathlib
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from data_prep.media.codecs import Codec
from launch import cli
from sagan_jax.conversion.views import View
from sagan_jax.rendering.alpha import Edge
from sagan_jax.rendering.blending import Blend
from sagan_jax.rendering.colour_transfer import Method
from sagan_jax.rendering.harmonisation import RenderSettings
from sagan_jax.rendering.inner_mouth import InnerMouth

if TYPE_CHECKING:
    from data_prep.media.audio import Sound
    from data_prep.media.codecs import Encoding
    from sagan_jax.conversion.jobs import Job
    from sagan_jax.conversion.target_faces import Wanted
    from sagan_jax.provenance.marking import Marks
    from sagan_jax.rendering.swapper import Swapper

CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "Training folder, or a model exported by launch.export.", required=True
)
CHECKPOINT_STEP = flags.DEFINE_string(
    "checkpoint_step", "latest",
    "Which checkpoint of the training: latest, best (on held-out crops), or the number of a step.",
)  # fmt: skip
VIDEO = flags.DEFINE_list(
    "video", None,
    "What is to be changed; only read. Videos and pictures (.png, .jpg, .webp), separated by "
    "commas: files, patterns ('clips/*.mp4'), folders of pictures, or @FILE, a list with one of "
    "these a line.",
    required=True,
)  # fmt: skip
TO = flags.DEFINE_enum("to", "a", ["a", "b"], "Who is to be seen: identity A or B.")
WHO = flags.DEFINE_string(
    "who", "target",
    "Whose faces are replaced: target (the person the other identity was trained on), all, "
    "largest (who is seen most), or reference:FILE (who is shown by a picture or video).",
)  # fmt: skip
OUT = flags.DEFINE_string(
    "out", None,
    "Video or picture to be written; a folder for several, and for the pictures of --codec=png.",
    required=True,
)  # fmt: skip
PREVIEW = flags.DEFINE_integer(
    "preview", None,
    "Convert nothing yet: write so many frames of each video, each above its swap, into one "
    "picture, <out>.preview.png.",
    lower_bound=1,
)  # fmt: skip
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
EXAGGERATION = flags.DEFINE_float(
    "exaggeration", 15.0,
    "How much of what tells the new person from the one trained with is added to what is drawn, in "
    "coarse features, as in a slight caricature; %.", 0.0, 50.0,
)  # fmt: skip
MOUTH = flags.DEFINE_enum_class(
    "mouth", InnerMouth.TARGET, InnerMouth,
    "Whose teeth and tongue are seen between the lips: the target's own, or as they are drawn.",
)  # fmt: skip
COLOUR = flags.DEFINE_enum_class(
    "colour", Method.MEAN_STD, Method,
    "How the swapped face gets the colours of the scene: not at all, by mean and spread, "
    "covariance, histograms, or optimal transport.",
)  # fmt: skip
BLEND = flags.DEFINE_enum_class(
    "blend", Blend.ALPHA, Blend,
    "How its edge is hidden: feathered mask, band by band, or gradients (OpenCV).",
)  # fmt: skip
GROW = flags.DEFINE_float(
    "mask_grow", 2.0,
    "How far the swapped face may reach beyond the one it replaces, where it is the larger, or "
    "stays within it if negative; % of the height of the face.", -20.0, 20.0,
)  # fmt: skip
FEATHER = flags.DEFINE_float(
    "feather", 1.0, "Softness of its edge, standard deviation; % of the height of the face.",
    0.0, 10.0,
)  # fmt: skip
DISSOLVE = flags.DEFINE_float(
    "dissolve", 8.0,
    "Over how much it fades out where the face of the scene goes on beyond it, as a forehead under "
    "another's fringe; % of the height of the face.", 0.0, 30.0,
)  # fmt: skip
SHARPEN = flags.DEFINE_bool("sharpen", True, "Make the swapped face as crisp as the scene.")
UNSHARP = flags.DEFINE_float(
    "unsharp", 0.0, "Enhance it beyond that: amount of unsharp masking, about 0.5 to 2.", 0.0, 5.0
)
GRAIN = flags.DEFINE_bool("grain", True, "Give it the noise of the scene.")
FADE = flags.DEFINE_float(
    "fade", 0.2, "How long it takes to come and go where a face is found and lost, seconds.",
    0.0, 5.0,
)  # fmt: skip
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


_SOME_FAILED = 3


def main(argv: Sequence[str]) -> None:
    del argv
    from data_prep.media import video_reader
    from data_prep.media.codecs import Encoding
    from sagan_jax.conversion import jobs as jobs_lib
    from sagan_jax.rendering.swapper import Swapper

    out, sources = pathlib.Path(OUT.value), list(dict.fromkeys(cli.files(VIDEO.value)))
    encoding = Encoding(CODEC.value, BITS.value, CRF.value, PRESET.value)
    if VIEW.value == "all":
        views = [View.RESULT, View.SIDE_BY_SIDE, View.MASK]
    else:
        views = [View(VIEW.value)]
    jobs = jobs_lib.plan(sources, out, views, encoding)
    if SIDE_BY_SIDE.value:
        jobs = _with_side_by_side(jobs, pathlib.Path(SIDE_BY_SIDE.value), encoding)
    if len(jobs) == 1:
        video_reader.probe(jobs[0].source)
    for job in jobs:
        cli.require_writable_folder(job.first.parent)
    marks, who = _marks(), _who()
    swapper = Swapper(CHECKPOINT.value, "ab".index(TO.value), CHECKPOINT_STEP.value)
    # A scheduler that wants the machine back is answered like Ctrl-C: what is done stays.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    failed = jobs_lib.run(jobs, lambda job: _convert(swapper, job, marks, who, encoding))
    if len(jobs) > 1:
        print(f"{len(jobs) - failed} of {len(jobs)} files converted")
    if marks.signer is None:
        print("NOT MARKED as synthetic: labelling it is your responsibility.")
    else:
        kind = " (a local identity, known to nobody else)" if marks.signer.local else ""
        print(f"Marked as synthetic; manifest signed by {marks.signer.name}{kind}.")
    if failed:
        sys.exit(1 if failed == len(jobs) else _SOME_FAILED)


def _convert(swapper: Swapper, job: Job, marks: Marks, who: Wanted, encoding: Encoding) -> None:
    """Converts one file, or shows what would come of it, and says so."""
    from data_prep.media import video_reader
    from data_prep.pipeline import faces
    from sagan_jax.conversion import contact_sheet, convert_still, convert_video, render_setup

    settings = render_setup.ConvertSettings(
        span=video_reader.Span(START.value, END.value),
        wanted=who,
        face=faces.FaceSettings(min_face_size=MIN_FACE.value),
        look=_look(),
        encoding=encoding,
        sound=None if job.still or PREVIEW.value else _sound(job.source),
        segment=SEGMENT.value,
    )
    made = job.first
    if PREVIEW.value:
        made = made.with_suffix(".preview.png")
        done = contact_sheet.write_sheet(swapper, job.source, made, PREVIEW.value, marks, settings)
    else:
        run = convert_still.convert_still if job.still else convert_video.convert
        done = run(swapper, job.source, job.outputs, marks, settings, FORCE.value)
    print(f"{made}: {done.words()}")


def _look() -> RenderSettings:
    return RenderSettings(
        exaggeration=EXAGGERATION.value / 100,
        mouth=MOUTH.value,
        colour=COLOUR.value,
        blend=BLEND.value,
        edge=Edge(GROW.value / 100, FEATHER.value / 100, DISSOLVE.value / 100),
        sharpen=SHARPEN.value,
        unsharp=UNSHARP.value,
        grain=GRAIN.value,
        fade_s=FADE.value,
    )


def _with_side_by_side(jobs: list[Job], path: pathlib.Path, encoding: Encoding) -> list[Job]:
    from data_prep.errors import InputError

    if len(jobs) > 1:
        raise InputError(
            "--side_by_side names the one file for one video; for several give --view=all"
        )
    (job,) = jobs
    job = dataclasses.replace(job, outputs={**job.outputs, View.SIDE_BY_SIDE: path})
    job.check(encoding)
    return [job]


def _who() -> Wanted:
    from data_prep.media import video_reader
    from sagan_jax.conversion.target_faces import Wanted

    wanted = Wanted.parse(WHO.value)
    if wanted.reference:
        video_reader.probe(wanted.reference)
    return wanted


def _sound(source: pathlib.Path) -> Sound | None:
    from data_prep.errors import InputError
    from data_prep.media import audio

    if AUDIO.value == "none":
        return None
    path = None if AUDIO.value == "target" else pathlib.Path(AUDIO.value)
    if path and not audio.has_sound(path):
        raise InputError(f"{path}: has no sound; give another --audio")
    reference = source if KEEP_LOUDNESS.value else None
    return audio.Sound(path, GAIN.value, TEMPO.value, PITCH.value, reference)


def _marks() -> Marks:
    from data_prep.errors import InputError
    from sagan_jax.provenance import marking, signing, watermark

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
