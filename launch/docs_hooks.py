"""Hook of the documentation's build: a page loads nothing from another host."""

from __future__ import annotations

import re
from typing import Any

# Addresses that a browser fetches by itself, unlike the target of a hyperlink.
_LOADED = re.compile(
    r"<(?:script|link|img|iframe|source|video|audio|object|embed)\b[^>]*?"
    r"\b(?:src|href|data)=[\"']?(?:https?:)?//[^\"'\s>]+",
    re.IGNORECASE,
)


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Stops the build if a finished page loads a font, script, style or image from elsewhere."""
    del config
    from mkdocs.exceptions import PluginError

    found = _LOADED.search(output)
    if found:
        raise PluginError(f"{page.file.src_uri}: loads from another host: {found[0]}")
    return output
