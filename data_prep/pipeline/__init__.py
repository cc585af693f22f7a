"""The one face pipeline, of preparation and of conversion: a video to people and aligned crops.

`faces` joins decoding, detection, tracking, identity and segmentation; `analysis_cache` keeps the
result of its first pass on disk. Never writes a data set and knows nothing of its format.
"""

__all__ = ("analysis_cache", "faces", "settings")
