"""Videos of one person to that person's data set.

Several videos are prepared at a time, each in a process of its own and each kept when it is done,
so that a run that was stopped continues with the others. The parts lie beside the data set in
`.NAME.parts`, one small data set a video, and are hard-linked into it, not copied; when a video is
added later, the parts of the others are taken from the data set itself.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import pathlib
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from absl import logging

from data_prep import json_records, weights
from data_prep.dataset import identity_card, reader
from data_prep.dataset.coverage import Coverage
from data_prep.dataset.footage_verdict import verdict
from data_prep.dataset.identity_card import IdentityCard, RefusedVideo, VideoCard
from data_prep.dataset.writer import Writer, recover
from data_prep.errors import InputError
from data_prep.identity.embeddings import SAME_PERSON
from data_prep.media import video_reader
from data_prep.pipeline import faces
from data_prep.preparation import prepare_video, report
from data_prep.preparation.prepare_video import VideoTask
from data_prep.preparation.settings import PrepareSettings
from data_prep.records import SCHEMA_VERSION
from data_prep.runtime import files, lock, process_pool
from data_prep.runtime.process_pool import Failure
from data_prep.runtime.progress import Progress


@dataclasses.dataclass(frozen=True)
class _Refusal:
    """A video that cannot be used.

    Attributes:
      video: name, hash and reason, for the card.
      setting: name of the setting that would have to change, see `InputError`; None for none.
    """

    video: RefusedVideo
    setting: str | None


@dataclasses.dataclass(frozen=True)
class _Part:
    """Prepared crops of one video.

    Attributes:
      folder: data set that holds them.
      video: card of the video in that data set.
    """

    folder: pathlib.Path
    video: VideoCard


def prepare(
    videos: Sequence[pathlib.Path],
    identity: str,
    consent: str,
    out: pathlib.Path,
    settings: PrepareSettings = PrepareSettings(),
    *,
    reference: pathlib.Path | None = None,
    overwrite: bool = False,
    processes: int = 1,
) -> IdentityCard:
    """Finds, crops and stores the face of one person.

    The person is that of the reference or, without one, the one visible most in the first video;
    the same person is looked for in the others, and a video that does not show that person is
    refused. A folder that already holds exactly this data set is left as it is; one that holds
    some of these videos, prepared with the same settings, is added to. A video that cannot be used
    is reported and the others go on.

    Args:
      videos: videos of one person.
      identity: name of that person.
      consent: who allows what, recorded in the data set.
      out: folder of the data set.
      settings: which part of the videos is used, and how.
      reference: photo or video of the person.
      overwrite: whether another data set in that folder may be replaced, or this one repaired.
      processes: number of videos prepared at a time.

    Returns:
      The card of the data set; its `refused` lists the videos that could not be used.

    Raises:
      InputError: if consent is missing, no video can be used, or the folder holds something
        else.
    """
    _check(consent, settings, reference)
    parts = out.with_name(f".{out.name}.parts")
    with _parts_folder(parts, identity, consent):
        tasks, refused = _tasks(videos, identity, consent, parts, settings)
        goal = _goal(tasks, refused, identity, consent, settings, reference)
        # The folder may hold this data set already, or one that must not be replaced.
        recover(out)
        if (existing := _existing(out, goal, tasks, overwrite)) is not None:
            logging.info("%s: already prepared, nothing to do.", out)
            return existing
        # Otherwise prepare the videos, but for those of which a folder has crops already.
        wanted = faces.embedding_of(reference, settings.face) if reference else None
        job = _Job(tasks, _finished([out, *parts.iterdir()], tasks), wanted)
        job.run(processes)
        # The data set links the shards of the parts, so these can go.
        card = _assemble(out, goal, job, refused)
        shutil.rmtree(parts)
    return card


def _check(consent: str, settings: PrepareSettings, reference: pathlib.Path | None) -> None:
    """Finds what would fail in any case, before any work is done.

    Raises:
      InputError: if there is no consent, weights are missing or the reference cannot be read.
    """
    if not consent.strip():
        raise InputError(
            "there is no consent; state who agrees to the use of this footage", setting="consent"
        )
    for weight in settings.face.models:
        weights.locate(weight)
    if reference:
        video_reader.probe(reference)


class _Job:
    """State of all videos; the listener of the worker processes.

    Attributes:
      tasks: the videos.
      parts: prepared crops, by position of the video.
      failures: why a video cannot be used, by its position.

    Args:
      tasks: the videos.
      found: crops prepared before, by `VideoTask.key`.
      reference: embedding of the person to look for; None for the one visible most.
    """

    def __init__(
        self, tasks: list[VideoTask], found: dict[str, _Part], reference: np.ndarray | None
    ):
        self.tasks = tasks
        self.parts = {i: found[task.key] for i, task in enumerate(tasks) if task.key in found}
        self.failures: dict[int, Failure] = {}
        self._reference = reference
        # Embedding of the person visible most, by position of the video.
        self._people = {i: np.array(part.video.embedding) for i, part in self.parts.items()}
        self._todo: list[int] = []
        self._expected = [task.info.expected_frames(task.settings.span) for task in tasks]
        self._frames = {i: float(self._expected[i]) for i in self.parts}
        self._reported = self._sum()

    def run(self, processes: int) -> None:
        """Makes the parts that are missing or turn out to be of another person.

        Parts that were made before may be of the person visible most in a video that is not the
        first any more, which shows when the videos before it are searched; hence the loop.
        """
        what = f"preparing {len(self.tasks)} videos"
        total = sum(self._expected)
        with Progress(what, total=total, unit="frames", done=self._reported) as self._bar:
            while todo := [i for i in range(len(self.tasks)) if self._is_missing(i)]:
                self._todo = todo
                items = [self.tasks[i] for i in todo]
                process_pool.run(prepare_video.make, items, self, processes)

    def progress(self, task: int, units: float) -> None:
        index = self._todo[task]
        self._report(index, self._frames.get(index, 0.0) + units)

    def answer(self, task: int, question: Any) -> Any:
        index = self._todo[task]
        self._people[index] = question
        return self._wanted(index)

    def done(self, task: int, result: Any) -> None:
        del result
        index = self._todo[task]
        folder = self.tasks[index].folder
        self.parts[index] = _Part(folder, identity_card.read_card(folder).videos[0])
        self._report(index, self._expected[index])

    def failed(self, task: int, failure: Failure) -> None:
        index = self._todo[task]
        logging.error("%s", failure.reason)
        self.failures[index] = failure
        self._report(index, self._expected[index])

    def _wanted(self, index: int) -> Any:
        """Returns the embedding of the person to look for; None for the one visible most.

        Returns `LATER` while a video before it, which decides, is not searched yet.
        """
        if self._reference is not None:
            return self._reference
        for before in range(index):
            if before in self._people:
                return self._people[before]
            if before not in self.failures:
                return process_pool.LATER
        return None

    def _is_missing(self, index: int) -> bool:
        """Whether a part is still to be made, or was made of another person."""
        if index in self.failures:
            return False
        if index not in self.parts:
            return True
        wanted = self._wanted(index)
        if wanted is process_pool.LATER:
            return False
        video = self.parts[index].video
        if wanted is None:
            return not video.people[0].chosen
        return bool(np.linalg.norm(wanted - np.array(video.embedding)) > SAME_PERSON)

    def _report(self, index: int, frames: float) -> None:
        """Sets the number of frames of a video that are done."""
        self._frames[index] = frames
        self._bar.advance(self._sum() - self._reported)
        self._reported = self._sum()

    def _sum(self) -> int:
        return round(sum(self._frames.values()))


def _tasks(
    videos: Sequence[pathlib.Path],
    identity: str,
    consent: str,
    parts: pathlib.Path,
    settings: PrepareSettings,
) -> tuple[list[VideoTask], list[_Refusal]]:
    """Returns the videos that can be opened, each once, and those that cannot."""
    # By SHA-256: one file under two names would train twice, and may be in both splits.
    tasks, refused = dict[str, VideoTask](), list[_Refusal]()
    models = [json_records.to_json(model) for model in settings.face.models]
    for path in videos:
        try:
            info = video_reader.probe(path)
        except InputError as error:
            logging.error("%s", error)
            refused.append(_Refusal(RefusedVideo(path.name, "", str(error)), error.setting))
            continue
        sha256 = files.sha256_of(path)
        if sha256 in tasks:
            logging.warning("%s: the same video as %s; used once.", path, tasks[sha256].path)
            continue
        key = _hash(SCHEMA_VERSION, path.name, sha256, dataclasses.asdict(settings), models)
        tasks[sha256] = VideoTask(info, sha256, key, settings, parts / key, identity, consent)
    return list(tasks.values()), refused


def _goal(
    tasks: list[VideoTask],
    refused: list[_Refusal],
    identity: str,
    consent: str,
    settings: PrepareSettings,
    reference: pathlib.Path | None,
) -> IdentityCard:
    """Returns the card of the data set that is to be made, as far as it is known before."""
    sha256 = files.sha256_of(reference) if reference else None
    left_out = [json_records.to_json(refusal.video) for refusal in refused]
    return IdentityCard(
        identity=identity,
        consent=consent,
        settings=dataclasses.asdict(settings) | {"reference": sha256},
        models=settings.face.models,
        fingerprint=_hash(identity, consent, [task.key for task in tasks], left_out, sha256),
        file_format=settings.file_format,
    )


def _existing(
    out: pathlib.Path, goal: IdentityCard, tasks: list[VideoTask], overwrite: bool
) -> IdentityCard | None:
    """Returns the card of the data set in a folder, if it is the one that is to be made.

    Raises:
      InputError: if the folder holds something that may not be replaced.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not identity_card.is_data_set(out):
        raise InputError(f"{out}: is not empty and no data set; give another folder", setting="out")
    try:
        card = identity_card.read_card(out)
    except InputError:
        # A damaged data set, or one of another schema, may be replaced like any other.
        if overwrite:
            return None
        raise
    if card.fingerprint == goal.fingerprint and not (overwrite and reader.verify(out)):
        return card
    if not overwrite and not _is_grown(card, goal, tasks):
        raise InputError(
            f"{out}: holds {card.identity} made of other videos or settings; give another "
            "folder, or let it be replaced",
            setting="overwrite",
        )
    return None


def _is_grown(card: IdentityCard, goal: IdentityCard, tasks: list[VideoTask]) -> bool:
    """Whether the goal is the data set of a card with videos added."""
    return (
        (card.identity, card.consent, card.reference)
        == (goal.identity, goal.consent, goal.reference)
    ) and {video.key for video in card.videos} <= {task.key for task in tasks}


def _finished(folders: Sequence[pathlib.Path], tasks: list[VideoTask]) -> dict[str, _Part]:
    """Returns the parts of these videos, by key, that lie undamaged in one of the folders."""
    keys, found = {task.key for task in tasks}, dict[str, _Part]()
    for folder in folders:
        # A folder that is no data set has nothing to offer.
        with contextlib.suppress(InputError):
            videos = [one for one in identity_card.read_card(folder).videos if one.key in keys]
            damaged = reader.verify(folder).keys() if videos else set()
            for video in videos:
                names = {shard.name for shards in video.shards.values() for shard in shards}
                if not names & damaged:
                    found[video.key] = _Part(folder, video)
    return found


def _assemble(
    out: pathlib.Path, goal: IdentityCard, job: _Job, refused: list[_Refusal]
) -> IdentityCard:
    """Links the parts of all videos into one data set; returns its card.

    Raises:
      InputError: if no part has a crop to train on.
    """
    # Results came in any order; videos are listed in the order in which they were given.
    refused = refused + [
        _refusal(job.tasks[index], failure) for index, failure in sorted(job.failures.items())
    ]
    parts = [part for _, part in sorted(job.parts.items())]
    card = dataclasses.replace(
        goal,
        videos=tuple(part.video for part in parts),
        refused=tuple(refusal.video for refusal in refused),
    )
    if not card.count("train"):
        raise _nothing_to_train_on(card, refused)
    covered = Coverage()
    for video in card.videos:
        if video.coverage:
            covered.merge(Coverage.of(video.coverage))
    card = dataclasses.replace(card, coverage=covered.counted(), verdict=verdict(covered))
    with Writer(out, card.identity, card.consent, card.file_format) as writer:
        for part in parts:
            writer.link(part.folder, part.video)
        return writer.finish(card, report.write)


def _refusal(task: VideoTask, failure: Failure) -> _Refusal:
    video = RefusedVideo(task.path.name, task.sha256, failure.reason)
    return _Refusal(video, failure.setting)


def _nothing_to_train_on(card: IdentityCard, refused: list[_Refusal]) -> InputError:
    """Returns the error that says why no data set can be made."""
    if card.videos:
        return InputError("no crop to train on is left of these videos; give longer ones")
    if len(refused) == 1:
        return InputError(refused[0].video.reason, setting=refused[0].setting)
    return InputError(f"none of the {len(refused)} videos can be used; see the messages above")


@contextlib.contextmanager
def _parts_folder(parts: pathlib.Path, identity: str, consent: str) -> Iterator[None]:
    """Makes the folder of the parts, in which only one run may work, and tidies up after it."""
    parts.mkdir(parents=True, exist_ok=True)
    # An unfinished folder also says whose crops it holds, so that they can be forgotten.
    identity_card.write_unfinished(parts, identity, consent)
    with lock.exclusive(parts / "lock", "another run is preparing this data set"):
        try:
            yield
        finally:
            _tidy(parts)


def _tidy(parts: pathlib.Path) -> None:
    """Deletes unfinished parts, and the folder where no part is finished."""
    folders = [path for path in parts.glob("*") if path.is_dir()]
    for path in folders:
        if path.name.startswith("."):
            shutil.rmtree(path)
    if all(path.name.startswith(".") for path in folders):
        shutil.rmtree(parts, ignore_errors=True)


def _hash(*facts: Any) -> str:
    """Returns the SHA-256 of values that JSON can hold."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
