"""Finishing of a tracklet: distrusted faces are dropped, gaps are filled, the rest is smoothed."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence

import numpy as np

from data_prep.records import EMBEDDING_SIZE, Face, Track
from data_prep.tracking import track_smoothing
from data_prep.tracking.settings import TrackingSettings
from data_prep.tracking.track_smoothing import FrameTime
from data_prep.tracking.tracklet import Tracklet


def to_track(
    track_id: int,
    tracklet: Tracklet,
    frame_times: Sequence[FrameTime],
    settings: TrackingSettings,
) -> Track:
    """Turns a closed tracklet into a smoothed track.

    Args:
      track_id: number of the track.
      tracklet: the tracklet, all of its chips embedded.
      frame_times: all frames of the video so far, in order.
      settings: which gaps are filled, and how the track is smoothed.
    """
    tracklet = tracklet.select(_trusted(tracklet, settings.max_filled_us))
    own_times = _own_frame_times(tracklet.faces, frame_times, settings.max_filled_us)
    faces, transforms = track_smoothing.smooth_track(
        tracklet.faces, tracklet.confirmed, own_times, settings.smoothing
    )
    # Embeddings refer to positions among all faces of the track, the filled-in ones included.
    positions = [_position(own_times, tracklet.faces[i]) for i in tracklet.chip_positions]
    return Track(
        track_id=track_id,
        faces=faces,
        transforms=transforms,
        embedded=np.array(positions, np.int64),
        embeddings=np.array(tracklet.embeddings, np.float32).reshape(-1, EMBEDDING_SIZE),
        thumbnail=tracklet.thumbnail,
    )


def _trusted(tracklet: Tracklet, max_filled_us: int) -> np.ndarray:
    """Returns which faces of a tracklet to keep, `[len(faces)]` bool.

    Before and after a long gap only faces count that the detector confirms: when something hides a
    face, the mesh slides over to what hides it.
    """
    trusted = np.ones(len(tracklet.faces), bool)
    confirmed = np.isin(np.arange(len(trusted)), tracklet.confirmed)
    times = [face.timestamp_us for face in tracklet.faces]
    for gap in np.flatnonzero(np.diff(times) > max_filled_us).tolist():
        # Unconfirmed faces next to the gap, on either side; the added True ends the search.
        before = int(np.argmax([*confirmed[gap::-1], True]))
        after = int(np.argmax([*confirmed[gap + 1 :], True]))
        trusted[gap + 1 - before : gap + 1 + after] = False
    return trusted


def _own_frame_times(
    faces: Sequence[Face], frame_times: Sequence[FrameTime], max_filled_us: int
) -> list[FrameTime]:
    """Selects the frames of a track: those with a face, and those in gaps that are filled in."""
    first, last = _position(frame_times, faces[0]), _position(frame_times, faces[-1])
    candidates = frame_times[first : last + 1]
    measured = np.array([face.timestamp_us for face in faces])
    times = np.array(candidates)[:, 1]
    # Each frame lies between two measured ones, or is one itself.
    after = np.searchsorted(measured, times)
    gaps = measured[after] - measured[np.maximum(after - 1, 0)]
    wanted = (measured[after] == times) | (gaps <= max_filled_us)
    return list(itertools.compress(candidates, wanted.tolist()))


def _position(frame_times: Sequence[FrameTime], face: Face) -> int:
    """Returns the position of a face's frame among frames in order."""
    return bisect.bisect_left(frame_times, face.frame_index, key=lambda time: time.frame_index)
