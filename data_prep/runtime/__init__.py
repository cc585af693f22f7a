"""Runtime: threads, processes, progress, files, locks and LiteRT networks.

Serves every other package and knows nothing of faces or videos.
"""

__all__ = ("files", "litert", "lock", "prefetch", "process_pool", "progress")
