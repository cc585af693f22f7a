"""Plans which files are converted into which, videos and images, and converts them."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from absl import logging

from data_prep.errors import InputError
from data_prep.media.codecs import Encoding
from sagan_jax.conversion import convert_still, convert_video, sidecar
from sagan_jax.conversion.convert_settings import ConvertSettings, View
from sagan_jax.conversion.sidecar import Conversion
from sagan_jax.provenance.marking import Marks
from sagan_jax.rendering.swapper import Swapper


@dataclasses.dataclass(frozen=True)
class Job:
    """A file to be converted.

    Attributes:
      source: video or image.
      outputs: files made of it, by what they show.
    """

    source: pathlib.Path
    outputs: Mapping[View, pathlib.Path]

    @property
    def still(self) -> bool:
        """Whether an image becomes images."""
        return convert_still.is_still(self.source) and convert_still.is_still(self.first)

    @property
    def first(self) -> pathlib.Path:
        """The first of the outputs."""
        return next(iter(self.outputs.values()))

    def check(self, encoding: Encoding) -> None:
        """Checks that the outputs can be written, before any work is done.

        Raises:
          InputError: if one is the input, or has a name that does not fit.
        """
        for view, path in self.outputs.items():
            if self.still:
                convert_still.check(path, view.transparent)
            else:
                encoding.check(path, view.transparent)
            if path.exists() and path.samefile(self.source):
                raise InputError(f"{path}: is the input itself; give another name", setting="out")


def plan(
    sources: Sequence[pathlib.Path], out: pathlib.Path, views: Sequence[View], encoding: Encoding
) -> list[Job]:
    """Plans what becomes of each file.

    A single file becomes `out`. Several files, and the images of a folder, each become a file of
    the same name in the folder `out`; so does a single file if `out` has no suffix.

    Args:
      sources: videos, images, and folders of images.
      out: a file, or a folder.
      views: what the outputs show; the names of all but the first end in the name of their view.
      encoding: how videos are encoded.

    Raises:
      InputError: if there is nothing to convert, two files would become one, or an output cannot
        be written.
    """
    is_single = len(sources) == 1 and not sources[0].is_dir()
    # The PNG images of a single video are a folder themselves, so `out` is the output.
    out_is_output = is_single and (not encoding.suffix or (out.suffix and not out.is_dir()))
    jobs = []
    # A file that is named twice is converted once.
    for source in dict.fromkeys(_files(sources)):
        output = out if out_is_output else out / _name(source, encoding, views)
        jobs.append(Job(source, _outputs(output, views)))
    _refuse_same_names(jobs)
    # All names are checked before the first file is converted, which may take hours.
    for job in jobs:
        job.check(encoding)
    return jobs


def run(jobs: Sequence[Job], work: Callable[[Job], None]) -> int:
    """Does all jobs that can be done, and returns the number of those that cannot.

    Args:
      jobs: the jobs.
      work: does one job. If it raises an `InputError`, the error is logged and the next job is
        done.

    Raises:
      InputError: if there is only one job, and it cannot be done.
    """
    failed = 0
    for number, job in enumerate(jobs, 1):
        if len(jobs) > 1:
            logging.info("%s (%d of %d)", job.source, number, len(jobs))
        # Many files take hours, so one that cannot be converted does not stop the others.
        try:
            work(job)
        except InputError as error:
            if len(jobs) == 1:
                raise
            logging.error("%s", error)
            failed += 1
    return failed


def convert(
    swapper: Swapper,
    job: Job,
    marks: Marks,
    settings: ConvertSettings = ConvertSettings(),
    force: bool = False,
) -> Conversion:
    """Replaces faces of a video or image; see `convert_video.convert`.

    Raises:
      InputError: if the file cannot be read, does not show the person, or cannot be written.
    """
    convert_file = convert_still.convert_still if job.still else convert_video.convert
    return convert_file(swapper, job.source, job.outputs, marks, settings, force)


def _files(sources: Iterable[pathlib.Path]) -> Iterator[pathlib.Path]:
    """Yields the files, and the images in the folders."""
    for source in sources:
        if not source.is_dir():
            yield source
            continue
        images = sorted(path for path in source.iterdir() if convert_still.is_still(path))
        if not images:
            raise InputError(
                f"{source}: no image ({', '.join(convert_still.SUFFIXES)}) in this folder; give "
                "videos by name or pattern ('clips/*.mp4')",
                setting="sources",
            )
        yield from images


def _name(source: pathlib.Path, encoding: Encoding, views: Sequence[View]) -> str:
    if not convert_still.is_still(source):
        return f"{source.stem}{encoding.suffix}"
    # PNG has an alpha channel, which JPEG has not.
    transparent = any(view.transparent for view in views)
    return f"{source.stem}.png" if transparent else source.name


def _outputs(output: pathlib.Path, views: Sequence[View]) -> dict[View, pathlib.Path]:
    first, *others = views
    return {first: output} | {
        view: output.with_stem(f"{output.stem}_{view.value}") for view in others
    }


def _refuse_same_names(jobs: Sequence[Job]) -> None:
    """Raises an `InputError` if two files would become one."""
    sources: dict[pathlib.Path, pathlib.Path] = {}
    for job in jobs:
        for path in {*job.outputs.values(), sidecar.path_of(job.first)}:
            if path in sources:
                raise InputError(
                    f"{path}: would be made of both {sources[path]} and {job.source}; convert one "
                    "of them by itself, or rename it",
                    setting="out",
                )
            sources[path] = job.source
