"""Compiled programs, kept from one start to the next."""

from __future__ import annotations

import hashlib
import os
import pathlib
import platform

import jax


def keep(folder: str | None = None) -> pathlib.Path:
    """Has JAX look for compiled programs in a folder, and leave there what took over a second.

    Whoever may write there decides what is run: it is the user's own.

    Args:
      folder: where; default `JAX_COMPILATION_CACHE_DIR`, or a folder of the user's cache.

    Returns:
      Where they are.
    """
    path = pathlib.Path(folder or os.environ.get("JAX_COMPILATION_CACHE_DIR") or _of_this_machine())
    path.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(path))
    return path


def _of_this_machine() -> pathlib.Path:
    """A folder for processors like this: a home may be shared by several kinds, and code made
    for one does not run on all, which JAX's own key leaves out."""
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else [platform.machine()]
    kind = next((line for line in lines if line.startswith(("flags", "Features"))), lines[0])
    return pathlib.Path(cache) / "sagan-jax" / hashlib.sha256(kind.encode()).hexdigest()[:12]
