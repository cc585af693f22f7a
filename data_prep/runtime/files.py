"""Files as a whole: their hash, and the one way to write them without leaving half of one."""

from __future__ import annotations

import contextlib
import hashlib
import pathlib
import shutil
from collections.abc import Callable, Iterator

from data_prep.errors import InputError

# Completes a file that has been written before it gets its name, for example by signing it.
# Takes the path where the file lies and the name that it will have.
Seal = Callable[[pathlib.Path, str], None]


def sha256_of(path: str | pathlib.Path) -> str:
    """SHA-256 of a file, hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def write_atomically(path: pathlib.Path, seal: Seal | None = None) -> Iterator[pathlib.Path]:
    """Yields a temporary path beside `path`, and renames it to `path` when the block succeeds.

    The block writes a file or makes a folder at the temporary path, which has the suffix of
    `path`. If the block or the seal fails, nothing is left of it, and a file or folder that was
    at `path` stays as it was. A folder at `path` is replaced as a whole.

    Args:
      path: final path of the file or folder.
      seal: completes the file, or each PNG image of the folder, before the renaming.

    Raises:
      InputError: if `path` cannot be written.
    """
    aside = path.with_name(f".{path.stem}.partial{path.suffix}")
    _check_writable(path, aside)
    try:
        yield aside
        if seal and aside.is_dir():
            for file in sorted(aside.glob("*.png")):
                seal(file, file.name)
        elif seal:
            seal(aside, path.name)
        # A folder cannot be renamed onto another one that has something in it.
        if path.is_dir():
            shutil.rmtree(path)
        aside.replace(path)
    finally:
        if aside.is_dir():
            shutil.rmtree(aside)
        aside.unlink(missing_ok=True)


def _check_writable(path: pathlib.Path, aside: pathlib.Path) -> None:
    """Raises an `InputError` at once if a file cannot be made at `path`.

    FFmpeg creates a file only with its first packet, which may come after hours of work.
    """
    try:
        if path.is_dir() and path.suffix:
            raise IsADirectoryError(None, "it is a folder")
        # A run that was killed may have left a temporary folder.
        if aside.is_dir():
            shutil.rmtree(aside)
        aside.touch()
        aside.unlink()
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
