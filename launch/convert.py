"""Renders one person of a trained model into videos and photos of the other.

A file that cannot be converted is reported, and the others go on; started again, the program does
only what is not done yet. Exit code: 0 all are done, 3 some could not be converted,
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

from data_prep.errors import InputError
from data_prep.media import audio, video_reader
from data_prep.media.audio import Sound
from data_prep.media.codecs import Codec, Encoding
from data_prep.media.segmented_writer import SEGMENT_FRAMES
from data_prep.media.video_reader import WHOLE, Span
from data_prep.records import MIN_FACE_SIZE
from launch import cli
from sagan_jax.conversion.convert_settings import PeopleToReplace, PersonChoice, View
from sagan_jax.rendering.render_settings import (
    Blend,
    ColourMethod,
    Edge,
    InnerMouth,
    RenderSettings,
)

if TYPE_CHECKING:
    from sagan_jax.conversion.jobs import Job
    from sagan_jax.provenance.marking import Marks
    from sagan_jax.rendering.swapper import Swapper

_LOOK = RenderSettings()
_PERCENT = 100
_SOUND = Sound()

CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "Use the model of this training folder or exported folder.", required=True
)
CHECKPOINT_STEP = flags.DEFINE_string(
    "checkpoint_step",
    "latest",
    "Choose the checkpoint of a training: latest, best (on held-out crops), or the number of a "
    "step.",
)
VIDEO = flags.DEFINE_list(
    "video",
    None,
    "Convert these; they are only read. Videos and photos (.png, .jpg, .webp), separated by "
    "commas: files, patterns ('clips/*.mp4'), folders of photos, or @FILE, a list with one of "
    "these a line.",
    required=True,
)
TO = flags.DEFINE_enum("to", "a", ["a", "b"], "Render this person: identity A or B.")
WHO = flags.DEFINE_string(
    "who",
    PersonChoice.TARGET.value,
    "Choose whose faces are replaced: target (the person the other identity was trained on), all, "
    "largest (the person visible most), or reference:FILE (the person in a photo or video).",
)
OUT = flags.DEFINE_string(
    "out",
    None,
    "Write this video or image; a folder for several, and for the images of --codec=png.",
    required=True,
)
PREVIEW = flags.DEFINE_integer(
    "preview",
    None,
    "Convert nothing yet: write this many frames of each video, each above its face swap, into one "
    "image, <out>.preview.png.",
    lower_bound=1,
)
VIEW = flags.DEFINE_enum(
    "view",
    View.RESULT.value,
    [*View, "all"],
    "Choose what --out shows: the result; target, result and mask side by side; the mask; or the "
    "new face alone on a transparent ground, with its transforms in <out>.transforms.json (for "
    "--codec=prores, ffv1 or png). all: the result, and beside it <out>_side_by_side and "
    "<out>_mask.",
)
CODEC = flags.DEFINE_enum_class(
    "codec",
    Encoding().codec,
    Codec,
    "Encode as H.264, H.265 or AV1 (.mp4; .mkv), ProRes 422 HQ (.mov), FFV1 (.mkv), or as a folder "
    "of PNG images.",
)
BITS = flags.DEFINE_integer(
    "bits",
    None,
    "Encode this many bits a colour component: 8 or 10, 16 for FFV1 and PNG. More than 8 bits in "
    "the video are kept; default: 8, 10 for ProRes.",
)
CRF = flags.DEFINE_integer(
    "crf",
    None,
    "Set the quality of the encoder, 0 is best; default: 12, which keeps untouched pixels above "
    "44 dB.",
)
PRESET = flags.DEFINE_string(
    "preset", None, "Set the speed of the encoder, in its words; default: fast, for AV1 8."
)
SEGMENT = flags.DEFINE_integer(
    "segment",
    SEGMENT_FRAMES,
    "Close a segment, from which a stopped conversion goes on, every so many frames; rounded up to "
    "whole batches.",
    lower_bound=1,
)
AUDIO = flags.DEFINE_string(
    "audio",
    "target",
    "Take the sound of the target, none, or that of this file. It is copied bit for bit unless it "
    "is changed, or the output cannot hold it.",
)
GAIN = flags.DEFINE_float(
    "audio_gain", _SOUND.gain_db, "Raise the volume by this, decibels.", -60.0, 60.0
)
TEMPO = flags.DEFINE_float(
    "audio_tempo", _SOUND.tempo, "Multiply the tempo by this, at the same pitch.", 0.5, 2.0
)
PITCH = flags.DEFINE_float(
    "audio_pitch", _SOUND.pitch, "Raise the pitch by this, semitones, at the same tempo.", -12, 12
)
KEEP_LOUDNESS = flags.DEFINE_bool(
    "audio_keep_loudness",
    False,
    "Match the loudness of the target's sound (EBU R 128), before --audio_gain.",
)
SIDE_BY_SIDE = flags.DEFINE_string(
    "side_by_side", None, "Write target, result and mask side by side to this file, too."
)
START = flags.DEFINE_float("start", WHOLE.start_s, "Begin at this second.", lower_bound=0.0)
END = flags.DEFINE_float("end", WHOLE.end_s, "Stop at this second; default: the end.", 0.0)
MIN_FACE = flags.DEFINE_integer(
    "min_face", MIN_FACE_SIZE, "Look for faces at least this wide, frame pixels.", lower_bound=20
)
EXAGGERATION = flags.DEFINE_float(
    "exaggeration",
    _PERCENT * _LOOK.exaggeration,
    "Exaggerate the source's identity by this percentage: adds the low-frequency difference "
    "between the two decoders' outputs.",
    0.0,
    50.0,
)
MOUTH = flags.DEFINE_enum_class(
    "mouth",
    _LOOK.mouth,
    InnerMouth,
    "Show the target's own teeth and tongue between the lips, or those that are generated.",
)
COLOUR = flags.DEFINE_enum_class(
    "colour",
    _LOOK.colour,
    ColourMethod,
    "Set the color transfer from the scene to the face: none, by mean and standard deviation, "
    "covariance, histograms, or optimal transport.",
)
BLEND = flags.DEFINE_enum_class(
    "blend",
    _LOOK.blend,
    Blend,
    "Blend the face with a feathered mask, band by band, or by gradients (Poisson, OpenCV).",
)
GROW = flags.DEFINE_float(
    "mask_grow",
    _PERCENT * _LOOK.edge.grow,
    "Grow the mask of the face by this, % of the height of the face, where the new face is larger; "
    "negative values erode it.",
    -20.0,
    20.0,
)
FEATHER = flags.DEFINE_float(
    "feather",
    _PERCENT * _LOOK.edge.feather,
    "Feather the edge of the mask with this standard deviation, % of the height of the face.",
    0.0,
    10.0,
)
DISSOLVE = flags.DEFINE_float(
    "dissolve",
    _PERCENT * _LOOK.edge.dissolve,
    "Fade the face out over this distance, % of the height of the face, where the target's face "
    "goes on beyond it, like a forehead under a fringe.",
    0.0,
    30.0,
)
SHARPEN = flags.DEFINE_bool("sharpen", _LOOK.sharpen, "Make the new face as sharp as the scene.")
UNSHARP = flags.DEFINE_float(
    "unsharp",
    _LOOK.unsharp,
    "Sharpen the face beyond that by this amount of unsharp masking, about 0.5 to 2.",
    0.0,
    5.0,
)
GRAIN = flags.DEFINE_bool("grain", _LOOK.grain, "Add the noise of the scene to the new face.")
FADE = flags.DEFINE_float(
    "fade",
    _LOOK.fade_s,
    "Fade the face in and out over this time, seconds, where it is found and lost.",
    0.0,
    5.0,
)
LABEL = flags.DEFINE_string("label", "", "Show this text in the lower left corner; default: none.")
CERTIFICATES = flags.DEFINE_string(
    "signing_certificates",
    None,
    "Sign the manifest with the certificate chain in this PEM file, leaf first; default: "
    "$SAGAN_SIGNING_CERTIFICATES, or a local identity made once.",
)
KEY = flags.DEFINE_string(
    "signing_key",
    None,
    "Sign with the private key in this PEM file; default: $SAGAN_SIGNING_KEY.",
)
TIME_STAMPS = flags.DEFINE_string(
    "time_stamp_authority",
    None,
    "Ask the RFC 3161 service at this address for the time of signing; default: nobody.",
)
WATERMARK_KEY = flags.DEFINE_string(
    "watermark_key",
    None,
    "Key the invisible watermark with this secret text; default: anyone can find it.",
)
PROVENANCE = flags.DEFINE_enum(
    "provenance",
    "full",
    ["full", "none"],
    "Add a signed manifest and an invisible watermark, or neither (which needs "
    "--i_accept_responsibility_for_labelling).",
)
RESPONSIBILITY = flags.DEFINE_bool(
    "i_accept_responsibility_for_labelling",
    False,
    "Confirm that you label the video as synthetic by other means; recorded beside the video.",
)
FORCE = flags.DEFINE_bool("force", False, "Replace existing outputs.")


_SOME_FAILED = 3


def main(argv: Sequence[str]) -> None:
    del argv
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
    # Input that cannot work is refused before the model is loaded, which takes seconds.
    if len(jobs) == 1:
        video_reader.probe(jobs[0].source)
    for job in jobs:
        cli.require_writable_folder(job.first.parent)
    marks, who = _marks(), _who()
    swapper = Swapper(CHECKPOINT.value, "ab".index(TO.value), CHECKPOINT_STEP.value)

    def work(job: Job) -> None:
        _convert(swapper, job, marks, who, encoding)

    # SIGTERM of a scheduler that wants the machine back works like Ctrl-C: finished work stays.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    failed = jobs_lib.run(jobs, cli.naming_flags(work))
    if len(jobs) > 1:
        print(f"{len(jobs) - failed} of {len(jobs)} files converted")
    if marks.signer is None:
        print("NOT MARKED as synthetic: labelling it is your responsibility.")
    else:
        kind = " (a local identity, known to nobody else)" if marks.signer.local else ""
        print(f"Marked as synthetic; manifest signed by {marks.signer.name}{kind}.")
    if failed:
        sys.exit(1 if failed == len(jobs) else _SOME_FAILED)


def _convert(
    swapper: Swapper, job: Job, marks: Marks, who: PeopleToReplace, encoding: Encoding
) -> None:
    """Converts one file, or writes its preview, and reports the result."""
    from data_prep.pipeline import settings as settings_lib
    from sagan_jax.conversion import contact_sheet, convert_settings, jobs

    settings = convert_settings.ConvertSettings(
        span=Span(START.value, END.value),
        wanted=who,
        face=settings_lib.FaceSettings(min_face_size=MIN_FACE.value),
        look=_render_settings(),
        encoding=encoding,
        sound=None if job.still or PREVIEW.value else _sound(job.source),
        segment=SEGMENT.value,
    )
    output, count = job.first, PREVIEW.value
    if count:
        output = output.with_suffix(".preview.png")
        sheet = contact_sheet.write_contact_sheet
        done = sheet(swapper, job.source, output, count, marks, settings)
    else:
        done = jobs.convert(swapper, job, marks, settings, FORCE.value)
    print(f"{output}: {done.summary()}")


def _render_settings() -> RenderSettings:
    return RenderSettings(
        exaggeration=EXAGGERATION.value / _PERCENT,
        mouth=MOUTH.value,
        colour=COLOUR.value,
        blend=BLEND.value,
        edge=Edge(*(flag.value / _PERCENT for flag in (GROW, FEATHER, DISSOLVE))),
        sharpen=SHARPEN.value,
        unsharp=UNSHARP.value,
        grain=GRAIN.value,
        fade_s=FADE.value,
    )


def _with_side_by_side(jobs: list[Job], path: pathlib.Path, encoding: Encoding) -> list[Job]:
    if len(jobs) > 1:
        raise InputError(
            "--side_by_side names the one file for one video; for several give --view=all"
        )
    (job,) = jobs
    job = dataclasses.replace(job, outputs={**job.outputs, View.SIDE_BY_SIDE: path})
    job.check(encoding)
    return [job]


def _who() -> PeopleToReplace:
    wanted = PeopleToReplace.parse(WHO.value)
    if wanted.reference:
        video_reader.probe(wanted.reference)
    return wanted


def _sound(source: pathlib.Path) -> Sound | None:
    if AUDIO.value == "none":
        return None
    path = None if AUDIO.value == "target" else pathlib.Path(AUDIO.value)
    if path and not audio.has_sound(path):
        raise InputError(f"{path}: has no sound; give another file", setting="audio")
    reference = source if KEEP_LOUDNESS.value else None
    return Sound(path, GAIN.value, TEMPO.value, PITCH.value, reference)


def _marks() -> Marks:
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
