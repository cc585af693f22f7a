"""Renders one person of a trained model into a video of the other."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from absl import flags

from launch import cli

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
SHARPEN = flags.DEFINE_bool("sharpen", True, "Make the swapped face as crisp as the scene.")
FORCE = flags.DEFINE_bool("force", False, "Replace existing outputs.")


def main(argv: Sequence[str]) -> None:
    del argv
    from data_prep import faces, video
    from sagan_jax import convert
    from sagan_jax.swap import Swapper

    source, output = pathlib.Path(VIDEO.value), pathlib.Path(OUT.value)
    side_by_side = pathlib.Path(SIDE_BY_SIDE.value) if SIDE_BY_SIDE.value else None
    video.probe(source)
    convert.refuse_overwriting(
        [path for path in (output, side_by_side) if path], source, FORCE.value
    )
    cli.require_writable_folder(output.parent)
    settings = convert.ConvertSettings(
        span=video.Span(START.value, END.value),
        face=faces.FaceSettings(min_face_size=MIN_FACE.value),
        sharpen=SHARPEN.value,
    )
    done = convert.convert(
        Swapper(CHECKPOINT.value, "ab".index(TO.value)), source, output, settings, side_by_side
    )
    print(f"{output}: {done.frames} frames, {done.swapped} swapped, {done.kept} left as they were")


def run() -> None:
    """Console entry point."""
    cli.run(main)


if __name__ == "__main__":
    run()
