"""The one exception that is meant for the person at the keyboard."""


class InputError(Exception):
    """Something the user gave us cannot be used.

    The message is one line: what is wrong, in which file (and frame), and what to do.
    The command-line entry points print it and exit with code 1; anything else that is
    raised is a bug and keeps its traceback.
    """
