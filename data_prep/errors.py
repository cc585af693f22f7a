"""The one exception that is meant for the person at the keyboard."""

from __future__ import annotations


class InputError(Exception):
    """Something the user gave us cannot be used.

    The message is one line: what is wrong, in which file (and frame), and what to change. It names
    no flag: this may be a program, a notebook or a page. The command-line entry points print it,
    with the flag of `setting`, and exit with code 1; anything else that is raised is a bug and
    keeps its traceback.

    Args:
      message: the line.
      setting: name of the argument or settings field that would have to change, None for none.
    """

    def __init__(self, message: str, *, setting: str | None = None):
        super().__init__(message)
        self.setting = setting
