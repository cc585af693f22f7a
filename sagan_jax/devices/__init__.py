"""Processes, devices and what they keep: meshes and shardings, compiled programs, peak speed.

Nothing here knows of networks, data or training: functions take arrays and numbers.
"""

__all__ = ("compilation_cache", "distributed", "peak_flops")
