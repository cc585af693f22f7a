"""Reads a checkpoint of `torch.save` as NumPy arrays, without torch and without running code.

Reads only the format of torch before 1.6 (five pickles, then the raw storages). A pickle can call
anything it names, so only an ordered dictionary and tensors may be named.
"""

from __future__ import annotations

import collections
import io
import pathlib
import pickle
from typing import Any, BinaryIO

import numpy as np

_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Storage:
    """A storage whose elements follow later in the file."""

    def __init__(self, dtype: np.dtype):
        self.dtype = dtype
        self.elements = np.zeros(0, dtype)


class _Tensor:
    """A tensor as its place in a storage; strides are in elements."""

    def __init__(
        self, storage: _Storage, offset: int, shape: tuple[int, ...], strides: Any, *_: Any
    ):
        self._storage, self._offset, self._shape, self._strides = storage, offset, shape, strides

    def array(self) -> np.ndarray:
        """Returns the values; the elements of the storage must have been read."""
        storage = self._storage.elements[self._offset :]
        byte_strides = [storage.itemsize * stride for stride in self._strides]
        return np.lib.stride_tricks.as_strided(storage, self._shape, byte_strides).copy()


class _Unpickler(pickle.Unpickler):
    """An unpickler that knows the four names of a state dictionary and refuses all others."""

    def __init__(self, file: BinaryIO):
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} does not belong into a state dictionary")

    def persistent_load(self, saved: Any) -> _Storage:
        _, dtype, key, *_ = saved
        return self.storages.setdefault(key, _Storage(dtype))


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Reads the arrays of a state dictionary, by name.

    Args:
      path: path of a file whose origin was checked (`weights.locate`).

    Raises:
      pickle.UnpicklingError: if the file is no checkpoint, or names anything but tensors.
    """
    file = io.BytesIO(path.read_bytes())
    if _Unpickler(file).load() != _MAGIC:
        raise pickle.UnpicklingError(f"{path}: no checkpoint of torch")
    # Two pickles that nothing here needs: the version of the format and facts of the machine.
    for _ in range(2):
        _Unpickler(file).load()
    state = _Unpickler(file)
    tensors = state.load()
    # The last pickle lists the storages in the order in which their elements follow.
    for key in _Unpickler(file).load():
        storage = state.storages[key]
        count = int.from_bytes(file.read(8), "little")
        storage.elements = np.frombuffer(file.read(count * storage.dtype.itemsize), storage.dtype)
    return {name: tensor.array() for name, tensor in tensors.items()}
