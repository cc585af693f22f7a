"""HTML pages that need no other file: what their templates have in common."""

from __future__ import annotations

import pathlib

import jinja2


def template(folder: pathlib.Path, name: str) -> jinja2.Template:
    """A template of a folder, which may extend `page.html.jinja` of this one."""
    return jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader([folder, pathlib.Path(__file__).parent]),
    ).get_template(name)
