"""Tracking: the frames of a video in, one smoothed track per face and shot out.

The detector runs on key frames, the mesh follows each face in between, the tracker assigns the
faces of a frame to tracklets, and finished tracklets are smoothed over time. Detector, mesh reader
and identifier are passed in as functions; who a track belongs to is decided in `identity`.
"""

__all__ = (
    "detect_and_track",
    "mesh_reader",
    "parallel_mesh_reader",
    "settings",
    "shot_boundary",
    "tracker",
)
