"""The cache of compiled programs, kept from one start to the next."""

from __future__ import annotations

import hashlib
import os
import pathlib
import platform

import jax


def enable(folder: str | None = None) -> pathlib.Path:
    """Makes JAX keep compiled programs in a folder, those that took over a second to compile.

    Whoever can write to the folder decides what is run, so it belongs to the user alone.

    Args:
      folder: the folder, by default `JAX_COMPILATION_CACHE_DIR` of the environment, or else one in
        the user's cache.

    Returns:
      The folder that is used.
    """
    path = pathlib.Path(
        folder or os.environ.get("JAX_COMPILATION_CACHE_DIR") or _folder_for_this_processor()
    )
    path.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(path))
    return path


def _folder_for_this_processor() -> pathlib.Path:
    """Returns a folder in the user's cache for processors of this kind.

    Several kinds of machines may share a home. Code compiled for one does not run on all of them,
    which JAX's own cache key does not consider.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else [platform.machine()]
    # The line of instruction sets, as x86 and ARM name it.
    kind = next((line for line in lines if line.startswith(("flags", "Features"))), lines[0])
    return pathlib.Path(cache) / "sagan-jax" / hashlib.sha256(kind.encode()).hexdigest()[:12]
