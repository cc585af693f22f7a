"""Prepares one person: videos in, a data set of aligned faces out.

A stopped or killed preparation goes on where it was when it is started again. A video that cannot
be used is reported and left out. Exit code: 0 all videos are in the data set, 3 some had to be left
out (the card and the report say which and why), 1 there is no data set.
"""

from __future__ import annotations

import pathlib
import signal
import sys
from collections.abc import Sequence

from absl import flags

from data_prep.dataset.identity_card import FORMATS
from data_prep.media.video_reader import WHOLE
from data_prep.records import MIN_FACE_SIZE
from launch import cli

VIDEO = flags.DEFINE_list(
    "video",
    None,
    "Prepare these videos of the person, separated by commas: files, patterns ('clips/*.mp4'), or "
    "@FILE, a list with one of either a line.",
    required=True,
)
IDENTITY = flags.DEFINE_string("identity", None, "Name the person.", required=True)
CONSENT = flags.DEFINE_string(
    "consent",
    None,
    "State who agrees to the use of this footage and for what: text, or @FILE. Stored in the data "
    "set, in every model trained on it and beside every video rendered with it.",
    required=True,
)
OUT = flags.DEFINE_string("out", None, "Write the data set to this folder.", required=True)
START = flags.DEFINE_float(
    "start", WHOLE.start_s, "Begin at this second of each video.", lower_bound=0.0
)
END = flags.DEFINE_float(
    "end", WHOLE.end_s, "Stop at this second; default: the end.", lower_bound=0.0
)
REFERENCE = flags.DEFINE_string(
    "reference",
    None,
    "Look for the person in this photo or video, where the videos show others, too; default: the "
    "person visible most in the first video. The report shows who was left out.",
)
EVERY = flags.DEFINE_integer("every", WHOLE.every, "Use every n-th frame.", lower_bound=1)
MIN_FACE = flags.DEFINE_integer(
    "min_face", MIN_FACE_SIZE, "Look for faces at least this wide, frame pixels.", lower_bound=20
)
WORKERS = flags.DEFINE_integer(
    "workers",
    None,
    "Prepare so many videos at a time, each in a process of its own that takes about 1.5 GiB; "
    "default: as many as there are cores. A single video uses all cores in any case.",
    lower_bound=1,
)
MASKS = flags.DEFINE_enum(
    "masks",
    "mesh",
    ["mesh", "bisenet"],
    "Make the mask of the face with the face mesh and the color of the hair, or with a face parser "
    "whose weights (`make weights-noncommercial`) are for non-commercial research only.",
)
FORMAT = flags.DEFINE_enum(
    "format",
    FORMATS[0],
    FORMATS,
    "Write the shards as TFRecord, or as ArrayRecord for random access.",
)
OVERWRITE = flags.DEFINE_bool(
    "overwrite", False, "Replace another data set in --out, or repair this one."
)
_SOME_REFUSED = 3


def main(argv: Sequence[str]) -> None:
    from data_prep.media import video_reader
    from data_prep.pipeline import settings as settings_lib
    from data_prep.preparation import prepare
    from data_prep.runtime import prefetch
    from data_prep.segmentation import mask_source

    del argv
    signal.signal(signal.SIGTERM, _stop)
    out = pathlib.Path(OUT.value)
    cli.require_writable_folder(out.parent)
    # Flags in frames and pixels; everything else keeps the defaults of the settings.
    settings = prepare.PrepareSettings(
        span=video_reader.Span(START.value, END.value, EVERY.value),
        face=settings_lib.FaceSettings(
            min_face_size=MIN_FACE.value, masks=mask_source.MaskSource(MASKS.value)
        ),
        file_format=FORMAT.value,
    )
    card = prepare.prepare(
        list(dict.fromkeys(cli.files(VIDEO.value))),
        IDENTITY.value,
        cli.text(CONSENT.value),
        out,
        settings,
        reference=pathlib.Path(REFERENCE.value) if REFERENCE.value else None,
        overwrite=OVERWRITE.value,
        processes=WORKERS.value or prefetch.cores(),
    )
    # The verdict tells whether to film more before an hour of training is spent.
    print(
        f"{out}: {card.count('train')} crops to train on, {card.count('holdout')} held out; "
        f"see {out / 'report.html'}"
    )
    if card.verdict:
        print(card.verdict.text)
    for one in card.refused:
        print(f"left out: {one.reason}", file=sys.stderr)
    sys.exit(_SOME_REFUSED if card.refused else 0)


def _stop(*_: object) -> None:
    """Ends the workers on SIGTERM, as Ctrl-C does."""
    sys.exit(128 + signal.SIGTERM)


def run() -> None:
    """Console entry point."""
    cli.run(main)


if __name__ == "__main__":
    run()
