"""Writes the flag tables of the documentation, one Markdown file a program.

`docs/usage/*.md` include them. Nothing is typed by hand: each table lists the key flags of the
program as the program defines them, with default, values and help.
"""

from __future__ import annotations

import concurrent.futures
import importlib
import multiprocessing
import pathlib
import re
from collections.abc import Sequence
from typing import Any

from absl import flags

from launch import cli

GENERATED = flags.DEFINE_string(
    "generated", "docs/generated", "Write the tables to this folder, made if it is missing."
)

PROGRAMS = (
    "prep",
    "train",
    "convert",
    "evaluate",
    "export",
    "verify",
    "forget",
    "demo",
    "benchmark",
)
# Texts that absl puts before the help of an enum, and after that of a flag that may be repeated.
_ADDED = re.compile(r"^<[^>]*>:\s*|;\s*repeat this option to specify a list of values$")
_REQUIRED = "must have a value other than None"


def main(argv: Sequence[str]) -> None:
    del argv
    folder = pathlib.Path(GENERATED.value)
    cli.require_writable_folder(folder)
    # Programs define flags of the same names, so each is imported in a process of its own.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(
        2, mp_context=context, max_tasks_per_child=1
    ) as pool:
        for program, table in zip(PROGRAMS, pool.map(flag_table, PROGRAMS), strict=True):
            (folder / f"{program}.md").write_text(table)
    print(f"{folder}: flags of {len(PROGRAMS)} programs")


def flag_table(program: str) -> str:
    """Markdown table of a program's flags, sorted as the program defines them.

    Args:
      program: name of a module of `launch`; imported, so its flags must not be defined yet.
    """
    module = importlib.import_module(f"launch.{program}")
    held = [value for value in vars(module).values() if isinstance(value, flags.FlagHolder)]
    rows = [_row(flags.FLAGS[one.name]) for one in held]
    lines = ["| flag | default | what it does |", "| --- | --- | --- |", *rows]
    return "\n".join(lines) + "\n"


def _row(flag: Any) -> str:
    """Formats one flag as a row of the table."""
    name = f"--[no]{flag.name}" if flag.boolean else f"--{flag.name}"
    choices = getattr(flag.parser, "enum_values", None) or _members(flag)
    text = _escaped(_ADDED.sub("", " ".join(flag.help.split())))
    if choices:
        text = f"{text} One of {', '.join(f'`{choice}`' for choice in choices)}."
    return f"| `{name}` | {_default(flag)} | {text} |"


def _members(flag: Any) -> list[str]:
    members = getattr(flag.parser, "enum_class", None)
    return [] if members is None else [member.name.lower() for member in members]


def _default(flag: Any) -> str:
    if any(_REQUIRED in str(validator.message) for validator in flag.validators):
        return "required"
    if flag.default is None or flag.default in ("", []):
        return "-"
    if flag.boolean:
        return "on" if flag.default else "off"
    return f"`{flag.default_as_str.strip(chr(39))}`"


def _escaped(text: str) -> str:
    """Text with Markdown's and HTML's signs escaped outside of code."""
    parts = re.split(r"(`[^`]*`)", text)
    for index in range(0, len(parts), 2):
        plain = parts[index].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        parts[index] = re.sub(r"([*_\[\]])", r"\\\1", plain)
    return "".join(parts).replace("|", "\\|")


def run() -> None:
    """Console entry point."""
    cli.run(main)


if __name__ == "__main__":
    run()
