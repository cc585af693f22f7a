"""Prepares one person: videos in, a data set of aligned faces out."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from absl import flags

from launch import cli

VIDEO = flags.DEFINE_list(
    "video", None, "Videos of the person, separated by commas.", required=True
)
IDENTITY = flags.DEFINE_string("identity", None, "Name of the person.", required=True)
CONSENT = flags.DEFINE_string(
    "consent",
    None,
    "Who agrees to the use of this footage and for what: text, or @FILE. Stored in the data "
    "set, in every model trained on it and beside every video rendered with it.",
    required=True,
)
OUT = flags.DEFINE_string("out", None, "Folder of the data set.", required=True)
START = flags.DEFINE_float("start", 0.0, "First second of each video.", lower_bound=0.0)
END = flags.DEFINE_float("end", None, "Second at which to stop; default: the end.", lower_bound=0.0)
EVERY = flags.DEFINE_integer("every", 1, "Use each n-th frame.", lower_bound=1)
MIN_FACE = flags.DEFINE_integer(
    "min_face", 40, "Smallest face looked for, pixels of the frame.", lower_bound=20
)
OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace another data set in --out.")


def main(argv: Sequence[str]) -> None:
    from data_prep import faces, prepare, video

    del argv
    out = pathlib.Path(OUT.value)
    cli.require_writable_folder(out.parent)
    settings = prepare.PrepareSettings(
        span=video.Span(START.value, END.value, EVERY.value),
        face=faces.FaceSettings(min_face_size=MIN_FACE.value),
    )
    card = prepare.prepare(
        [pathlib.Path(path) for path in VIDEO.value],
        IDENTITY.value,
        _text(CONSENT.value),
        out,
        settings,
        OVERWRITE.value,
    )
    train, holdout = (sum(v[split] for v in card.videos) for split in ("train", "holdout"))
    print(f"{out}: {train} crops to train on, {holdout} held out; see {out / 'report.html'}")


def _text(value: str) -> str:
    """A flag's text, or that of the file it names with @."""
    if not value.startswith("@"):
        return value
    path = pathlib.Path(value[1:])
    if not path.is_file():
        from data_prep.errors import InputError

        raise InputError(f"{path}: no such file; --consent=@FILE names a text file")
    return path.read_text()


def run() -> None:
    """Console entry point."""
    cli.run(main)


if __name__ == "__main__":
    run()
