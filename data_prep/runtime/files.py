"""What a file is known by."""

from __future__ import annotations

import hashlib
import pathlib


def sha256_of(path: str | pathlib.Path) -> str:
    """SHA-256 of a file, hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
