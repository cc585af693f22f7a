"""Videos of one person to that person's data set.

A job: several videos at a time, each in a process of its own and each kept when it is done, so
that a run that was cut short goes on with the others. The parts lie beside the data set in
`.NAME.parts`, one small data set a video, and are linked into it, not copied; when a video is
added, those of the others are taken from the data set itself.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import pathlib
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from absl import logging

from data_prep import weights
from data_prep.dataset import identity_card, reader
from data_prep.dataset import writer as writer_lib
from data_prep.dataset.coverage import Coverage
from data_prep.dataset.footage_verdict import verdict
from data_prep.errors import InputError
from data_prep.identity.embeddings import SAME_PERSON
from data_prep.media import video_reader
from data_prep.pipeline import faces
from data_prep.preparation import prepare_video, report
from data_prep.preparation.prepare_video import Order
from data_prep.preparation.settings import PrepareSettings
from data_prep.records import SCHEMA_VERSION
from data_prep.runtime import files, process_pool
from data_prep.runtime.progress import Progress


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
) -> identity_card.IdentityCard:
    """Finds, crops and stores the face of one person.

    That is the person of the reference or, without one, who is seen most in the first video;
    in the others the same person is looked for, and a video that does not show her is refused.
    A folder that already holds exactly this is left as it is; one that holds some of these
    videos, prepared in the same way, is added to. A video that cannot be used is reported and
    the others go on.

    Args:
      videos: of one person.
      identity: name of that person.
      consent: who allows what, recorded in the data set.
      out: folder of the data set.
      settings: which part and how.
      reference: picture or video of the person.
      overwrite: whether another data set in that folder may be replaced, or this one repaired.
      processes: videos at a time.

    Returns:
      the card of the data set; its `refused` lists the videos that could not be used.

    Raises:
      InputError: if consent is missing, no video can be used, or the folder holds something
        else.
    """
    if not consent.strip():
        raise InputError("--consent is empty; state who agrees to the use of this footage")
    for weight in settings.face.models:
        weights.locate(weight)
    if reference:
        video_reader.probe(reference)
    parts = out.with_name(f".{out.name}.parts")
    with _alone(parts, identity, consent):
        orders, refused = _orders(videos, identity, consent, parts, settings)
        card = _blank_card(orders, refused, identity, consent, settings, reference)
        writer_lib.recover(out)
        if (existing := _existing(out, card, orders, overwrite)) is not None:
            logging.info("%s: already prepared, nothing to do.", out)
            return existing
        wanted = faces.embedding_of(reference, settings.face) if reference else None
        job = _Job(orders, _finished([out, *parts.iterdir()], orders), wanted)
        job.run(processes)
        card = _assemble(out, card, job, refused)
        shutil.rmtree(parts)
    return card


class _Job:
    """The state of all videos; the desk of the workers.

    Attributes:
      parts: position of a video to the data set that holds its crops, and its card there.
      reasons: position of a video to why it cannot be used.
    """

    def __init__(
        self,
        orders: list[Order],
        found: dict[str, tuple[pathlib.Path, dict[str, Any]]],
        reference: np.ndarray | None,
    ):
        self.orders = orders
        self.parts = {i: found[order.key] for i, order in enumerate(orders) if order.key in found}
        self.reasons: dict[int, str] = {}
        self._reference = reference
        # By position of the video, the embedding of who is seen most in it.
        self._people = {i: np.array(one["embedding"]) for i, (_, one) in self.parts.items()}
        self._todo: list[int] = []
        self._expected = [
            video_reader.probe(order.path).expected_frames(order.settings.span) for order in orders
        ]
        self._frames = {i: float(self._expected[i]) for i in self.parts}
        self._shown = self._sum()

    def run(self, processes: int) -> None:
        """Makes the parts that are missing or, as it turns out, of another person."""
        what = f"preparing {len(self.orders)} videos"
        total = sum(self._expected)
        with Progress(what, total=total, unit="frames", done=self._shown) as self._bar:
            while todo := [i for i in range(len(self.orders)) if self._is_missing(i)]:
                self._todo = todo
                items = [self.orders[i] for i in todo]
                process_pool.run(prepare_video.make, items, self, processes)

    def progress(self, task: int, units: float) -> None:
        index = self._todo[task]
        self._show(index, self._frames.get(index, 0.0) + units)

    def answer(self, task: int, question: Any) -> Any:
        index = self._todo[task]
        self._people[index] = question
        return self._wanted(index)

    def done(self, task: int, result: Any) -> None:
        del result
        index = self._todo[task]
        folder = self.orders[index].folder
        self.parts[index] = (folder, identity_card.read_card(folder).videos[0])
        self._show(index, self._expected[index])

    def failed(self, task: int, reason: str) -> None:
        index = self._todo[task]
        logging.error("%s", reason)
        self.reasons[index] = reason
        self._show(index, self._expected[index])

    def _wanted(self, index: int) -> Any:
        """Who is looked for in a video: an embedding, None for who is seen most in it."""
        if self._reference is not None:
            return self._reference
        for before in range(index):
            if before in self._people:
                return self._people[before]
            if before not in self.reasons:
                return process_pool.LATER
        return None

    def _is_missing(self, index: int) -> bool:
        if index in self.reasons:
            return False
        if index not in self.parts:
            return True
        wanted = self._wanted(index)
        if wanted is process_pool.LATER:
            return False
        _, card = self.parts[index]
        if wanted is None:
            return not card["people"][0]["chosen"]
        return bool(np.linalg.norm(wanted - np.array(card["embedding"])) > SAME_PERSON)

    def _show(self, index: int, frames: float) -> None:
        self._frames[index] = frames
        self._bar.advance(self._sum() - self._shown)
        self._shown = self._sum()

    def _sum(self) -> int:
        return round(sum(self._frames.values()))


def _orders(
    videos: Sequence[pathlib.Path],
    identity: str,
    consent: str,
    parts: pathlib.Path,
    settings: PrepareSettings,
) -> tuple[list[Order], list[dict[str, str]]]:
    """The videos that can be opened, and those that cannot, with the reason."""
    orders, refused = dict[str, Order](), []
    models = weights.licences(settings.face.models)
    for path in videos:
        try:
            video_reader.probe(path)
        except InputError as error:
            logging.error("%s", error)
            refused.append({"name": path.name, "sha256": "", "reason": str(error)})
            continue
        sha256 = files.sha256_of(path)
        if sha256 in orders:
            logging.warning("%s: the same video as %s; used once.", path, orders[sha256].path)
            continue
        key = _hash(SCHEMA_VERSION, path.name, sha256, dataclasses.asdict(settings), models)
        orders[sha256] = Order(path, sha256, key, settings, parts / key, identity, consent)
    return list(orders.values()), refused


def _blank_card(
    orders: list[Order],
    refused: list[dict[str, str]],
    identity: str,
    consent: str,
    settings: PrepareSettings,
    reference: pathlib.Path | None,
) -> identity_card.IdentityCard:
    """What is known of a data set before it is made."""
    shown = files.sha256_of(reference) if reference else None
    return identity_card.IdentityCard(
        identity=identity,
        consent=consent,
        videos=(),
        settings=dataclasses.asdict(settings) | {"reference": shown},
        models=tuple(weights.licences(settings.face.models)),
        fingerprint=_hash(identity, consent, [order.key for order in orders], refused, shown),
        file_format=settings.file_format,
    )


def _existing(
    out: pathlib.Path, goal: identity_card.IdentityCard, orders: list[Order], overwrite: bool
) -> identity_card.IdentityCard | None:
    """The card of the data set in a folder, if it is the one that is to be made.

    Raises:
      InputError: if what is there may not be replaced.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not identity_card.is_data_set(out):
        raise InputError(f"{out}: is not empty, and no data set; give another --out")
    try:
        card = identity_card.read_card(out)
    except InputError:
        if overwrite:
            return None
        raise
    if card.fingerprint == goal.fingerprint and not (overwrite and reader.verify(out)):
        return card
    same_person = (
        all(getattr(card, name) == getattr(goal, name) for name in ("identity", "consent"))
        and card.settings.get("reference") == goal.settings["reference"]
    )
    grown = {one["key"] for one in card.videos} <= {order.key for order in orders}
    if not overwrite and not (same_person and grown):
        raise InputError(
            f"{out}: holds {card.identity} made of other videos or settings; give another "
            "--out, or --overwrite to replace it"
        )
    return None


def _finished(
    folders: Sequence[pathlib.Path], orders: list[Order]
) -> dict[str, tuple[pathlib.Path, dict[str, Any]]]:
    """The videos, by key, of which whole shards lie in one of the folders."""
    keys, found = {order.key for order in orders}, {}
    for folder in folders:
        with contextlib.suppress(InputError):
            videos = [one for one in identity_card.read_card(folder).videos if one["key"] in keys]
            problems = reader.verify(folder) if videos else {}
            for one in videos:
                names = {s["name"] for split in identity_card.SPLITS for s in one["shards"][split]}
                if not names & problems.keys():
                    found[one["key"]] = folder, one
    return found


def _assemble(
    out: pathlib.Path, card: identity_card.IdentityCard, job: _Job, refused: list[dict[str, str]]
) -> identity_card.IdentityCard:
    for index, reason in sorted(job.reasons.items()):
        order = job.orders[index]
        refused.append({"name": order.path.name, "sha256": order.sha256, "reason": reason})
    parts = [part for _, part in sorted(job.parts.items())]
    card = dataclasses.replace(card, videos=tuple(one for _, one in parts), refused=tuple(refused))
    if not card.count("train"):
        raise InputError(_nothing(card))
    covered = Coverage()
    for one in card.videos:
        covered.merge(Coverage.from_json(one["coverage"]))
    card = dataclasses.replace(
        card, coverage=covered.to_json(), verdict=dataclasses.asdict(verdict(covered))
    )
    with writer_lib.Writer(out, card.identity, card.consent, card.file_format) as writer:
        for folder, one in parts:
            writer.link(folder, one)
        return writer.finish(card, report.write)


def _nothing(card: identity_card.IdentityCard) -> str:
    """Why there is no data set."""
    if card.videos:
        return "no crop to train on is left of these videos; give longer ones"
    if len(card.refused) == 1:
        return card.refused[0]["reason"]
    return f"none of the {len(card.refused)} videos can be used; see the messages above"


@contextlib.contextmanager
def _alone(parts: pathlib.Path, identity: str, consent: str) -> Iterator[None]:
    """Makes the folder of the parts, in which only one run may work; tidies up after it."""
    parts.mkdir(parents=True, exist_ok=True)
    # Whose crops these are, for `launch.forget`.
    (parts / "card.json").write_text(json.dumps({"identity": identity, "consent": consent}))
    with open(parts / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"{parts}: another run is preparing this data set") from error
        try:
            yield
        finally:
            _tidy(parts)


def _tidy(parts: pathlib.Path) -> None:
    """Keeps the finished parts; nothing, if there is none."""
    folders = [path for path in parts.glob("*") if path.is_dir()]
    for path in folders:
        if path.name.startswith("."):
            shutil.rmtree(path)
    if all(path.name.startswith(".") for path in folders):
        shutil.rmtree(parts, ignore_errors=True)


def _hash(*facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
