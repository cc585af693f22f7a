"""Which files are converted into which: videos and pictures, one or many."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from absl import logging

from data_prep.errors import InputError
from data_prep.media.codecs import Encoding
from sagan_jax.conversion import convert_still, sidecar
from sagan_jax.conversion.views import View


@dataclasses.dataclass(frozen=True)
class Job:
    """One file to be converted.

    Attributes:
      source: a video or a picture.
      outputs: what is made of it, and what each shows.
    """

    source: pathlib.Path
    outputs: Mapping[View, pathlib.Path]

    @property
    def still(self) -> bool:
        """Whether it is a picture that becomes pictures."""
        return convert_still.is_still(self.source) and convert_still.is_still(self.first)

    @property
    def first(self) -> pathlib.Path:
        """The first of the outputs."""
        return next(iter(self.outputs.values()))

    def check(self, encoding: Encoding) -> None:
        """Makes sure that the outputs can be written, before any work is done.

        Raises:
          InputError: if one is the input, or has a name that does not fit.
        """
        for view, path in self.outputs.items():
            if self.still:
                convert_still.check(path, view.transparent)
            else:
                encoding.check(path, view.transparent)
            if path.exists() and path.samefile(self.source):
                raise InputError(f"{path}: is the input itself; give another --out")


def plan(
    sources: Sequence[pathlib.Path], out: pathlib.Path, views: Sequence[View], encoding: Encoding
) -> list[Job]:
    """What is to be done.

    A single file becomes `out`. Of several, and of a folder of pictures, each becomes a file of
    its name in the folder `out`; so does a single one where `out` has no suffix.

    Args:
      sources: videos, pictures, and folders of pictures.
      out: a file, or a folder.
      views: what the outputs show; those after the first have the name of their view added.
      encoding: of the videos.

    Raises:
      InputError: if there is nothing to convert, two would become one file, or an output cannot
        be.
    """
    alone = len(sources) == 1 and not sources[0].is_dir()
    # PNG pictures of a video are such a folder themselves.
    named = alone and (not encoding.suffix or (out.suffix and not out.is_dir()))
    jobs = []
    for source in dict.fromkeys(_files(sources)):
        output = out if named else out / _name(source, encoding, views)
        jobs.append(Job(source, _outputs(output, views)))
    _refuse_same_names(jobs)
    for job in jobs:
        job.check(encoding)
    return jobs


def run(jobs: Sequence[Job], work: Callable[[Job], None]) -> int:
    """Does all that can be done; returns how many could not be.

    Args:
      jobs: what is to be done.
      work: does one; what is wrong with it is said, and the others go on.

    Raises:
      InputError: if there is only one, and it could not be done.
    """
    failed = 0
    for number, job in enumerate(jobs, 1):
        if len(jobs) > 1:
            logging.info("%s (%d of %d)", job.source, number, len(jobs))
        try:
            work(job)
        except InputError as error:
            if len(jobs) == 1:
                raise
            logging.error("%s", error)
            failed += 1
    return failed


def _files(sources: Iterable[pathlib.Path]) -> Iterator[pathlib.Path]:
    """Folders as the pictures in them."""
    for source in sources:
        if not source.is_dir():
            yield source
            continue
        pictures = sorted(path for path in source.iterdir() if convert_still.is_still(path))
        if not pictures:
            raise InputError(
                f"{source}: no picture ({', '.join(convert_still.SUFFIXES)}) in this folder; give "
                "videos by name or pattern ('clips/*.mp4')"
            )
        yield from pictures


def _name(source: pathlib.Path, encoding: Encoding, views: Sequence[View]) -> str:
    if not convert_still.is_still(source):
        return f"{source.stem}{encoding.suffix}"
    transparent = any(view.transparent for view in views)
    return f"{source.stem}.png" if transparent else source.name


def _outputs(output: pathlib.Path, views: Sequence[View]) -> dict[View, pathlib.Path]:
    first, *others = views
    return {first: output} | {
        view: output.with_stem(f"{output.stem}_{view.value}") for view in others
    }


def _refuse_same_names(jobs: Sequence[Job]) -> None:
    made: dict[pathlib.Path, pathlib.Path] = {}
    for job in jobs:
        for path in {*job.outputs.values(), sidecar.path_of(job.first)}:
            if path in made:
                raise InputError(
                    f"{path}: would be made of both {made[path]} and {job.source}; convert one "
                    "of them apart, or rename it"
                )
            made[path] = job.source
