"""A lock between processes: one at a time works in a folder."""

from __future__ import annotations

import contextlib
import fcntl
import pathlib
from collections.abc import Iterator

from data_prep.errors import InputError


@contextlib.contextmanager
def exclusive(path: pathlib.Path, what: str) -> Iterator[None]:
    """Holds a lock file while the block runs; the lock of a process that is killed is free again.

    Args:
      path: path of the lock file, in the folder that is locked; it is made if it is missing.
      what: message to raise with if another process works there: "another run is preparing it".

    Raises:
      InputError: if another process holds the lock.
    """
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"{path.parent}: {what}") from error
        yield
