"""Shared by all entry points: errors for people, exit codes, lists of files."""

from __future__ import annotations

import glob
import logging as stdlib_logging
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

# Before anything imports TensorFlow, which otherwise greets at length.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

from absl import app, flags, logging

from data_prep.errors import InputError

_Item = TypeVar("_Item")


def run(main: Callable[[Sequence[str]], None], *, takes_files: bool = False) -> None:
    """Runs a program: bad input and wrong flags are one line on stderr and exit code 1.

    Args:
      main: the program.
      takes_files: whether it accepts arguments that are no flags.
    """
    app.run(_guarded(main, takes_files), flags_parser=_parse)


def require_writable_folder(folder: pathlib.Path) -> None:
    """Makes a folder and checks that files can be written into it.

    Raises:
      InputError: if not.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to ({error.strerror})") from error


def text(value: str) -> str:
    """The text of a flag, or of the file that it names with @.

    Raises:
      InputError: if there is no such file.
    """
    if not value.startswith("@"):
        return value
    path = pathlib.Path(value[1:])
    if not path.is_file():
        raise InputError(f"{path}: no such file; @FILE names a text file")
    return path.read_text()


def files(values: Sequence[str]) -> Iterator[pathlib.Path]:
    """Yields the files a flag names: by name, by pattern, or @FILE, a list of either, one a line.

    A pattern that matches nothing is passed on as it is; opening it will fail with its name.
    """
    for value in values:
        if value.startswith("@"):
            lines = (line.strip() for line in text(value).splitlines())
            yield from files([line for line in lines if line])
        elif glob.has_magic(value) and not pathlib.Path(value).exists():
            yield from map(pathlib.Path, sorted(glob.glob(value, recursive=True)) or [value])
        else:
            yield pathlib.Path(value)


def _guarded(
    main: Callable[[Sequence[str]], None], takes_files: bool
) -> Callable[[Sequence[str]], None]:
    def guarded(argv: Sequence[str]) -> None:
        logging.set_verbosity(logging.INFO)
        logging.get_absl_handler().setFormatter(None)
        logging.get_absl_handler().addFilter(_concerns_the_user)
        try:
            if len(argv) > 1 and not takes_files:
                raise InputError(f"unknown argument '{argv[1]}'; flags begin with --")
            main(argv)
        except InputError as error:
            _fail(_with_flag(error))
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            sys.exit(130)

    return guarded


# Flag by name of the setting that a library asks to change, where the two differ.
_FLAGS = {
    "min_face_size": "min_face",
    "overwrite": "force",
    "mask_source": "masks",
    "file_format": "format",
    "gain_db": "audio_gain",
    "tempo": "audio_tempo",
    "pitch": "audio_pitch",
    "processes": "workers",
    "sources": "video",
    "span": "start",
    "certificates": "signing_certificates",
    "key": "signing_key",
}


def naming_flags(work: Callable[[_Item], None]) -> Callable[[_Item], None]:
    """Does some work; its input errors name the flags that would have to change."""

    def named(item: _Item) -> None:
        try:
            work(item)
        except InputError as error:
            raise InputError(_with_flag(error)) from error

    return named


def _with_flag(error: InputError) -> str:
    """The message of an error, with the flag of the setting that would have to change."""
    names = (error.setting, _FLAGS.get(error.setting or ""))
    known = [name for name in names if name and name in flags.FLAGS]
    return f"{error} (--{known[0]})" if known else str(error)


def _concerns_the_user(record: stdlib_logging.LogRecord) -> bool:
    """Whether a message is one of ours, or a warning of another library."""
    return record.levelno > stdlib_logging.INFO or "site-packages" not in record.pathname


def _parse(argv: list[str]) -> Sequence[str]:
    try:
        return app.parse_flags_with_usage(argv) if _asks_help(argv) else flags.FLAGS(argv)
    except flags.Error as error:
        program = pathlib.Path(argv[0]).name
        message = " ".join(str(error).split())
        _fail(f"{message} (`{program} --help` lists every flag)")
        raise AssertionError from error


def _asks_help(argv: Sequence[str]) -> bool:
    return any(argument.lstrip("-").startswith("help") for argument in argv[1:])


def _fail(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)
