"""HTML pages that need no other file: the template that all of them extend."""

from __future__ import annotations

import pathlib

import jinja2


def template(folder: pathlib.Path, name: str) -> jinja2.Template:
    """Returns a template of `folder`, which may extend the `page.html.jinja` of this package."""
    return jinja2.Environment(
        autoescape=True,
        # A misspelt name in a template is an error and not an empty place in the page.
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader([folder, pathlib.Path(__file__).parent]),
    ).get_template(name)
