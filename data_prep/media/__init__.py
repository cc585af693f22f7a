"""Reads and writes videos with FFmpeg; the only package that does.

A video comes in as RGB or coded frames and goes out through a writer that encodes frames, copies
sound and can be resumed. Nothing here knows of faces, networks or data sets.
"""

__all__ = (
    "audio",
    "codecs",
    "coded_frame",
    "segmented_writer",
    "video_reader",
    "video_writer",
)
