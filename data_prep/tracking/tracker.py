"""Tracker: the faces of single frames to tracks, each one person through one shot.

Every open tracklet predicts where its face is in the next frame. The faces read there, and those
that the detector found, are assigned to the tracklets (`association`). A confirmed face of nobody
starts a tracklet; a tracklet that misses its face for too long is closed. At the end, all closed
tracklets are smoothed (`finished_track`).
"""

from __future__ import annotations

import copy

from data_prep.imaging.boxes import mesh_box
from data_prep.records import Detection, Frame, Track
from data_prep.tracking.association import Associator, close_to_another
from data_prep.tracking.face_observations import FaceObservation, ReadFace, observe
from data_prep.tracking.finished_track import to_track
from data_prep.tracking.settings import Identifier, TrackingSettings
from data_prep.tracking.track_smoothing import FrameTime
from data_prep.tracking.tracklet import Tracklet

# Number of chips of a tracklet that are embedded at once.
_CHIPS_PER_BATCH = 8


class Tracker:
    """Collects the faces of one video, frame by frame, into tracks.

    Args:
      settings: limits of time, place and identity.
      identifier: tells people apart where places do not; None to use places alone.

    Attributes:
      events: number of times a face appeared, went missing, came back, or was given up because
        the detector did not confirm it.
    """

    def __init__(self, settings: TrackingSettings, identifier: Identifier | None = None):
        self._settings = settings
        self._identifier = identifier
        self._associator = Associator(settings, identifier)
        self._open: list[Tracklet] = []
        self._closed: list[Tracklet] = []
        self._frame_times: list[FrameTime] = []
        self.events = 0

    def fork(self) -> Tracker:
        """Returns a copy that can go on without changing this tracker."""
        other = copy.copy(self)
        other._open = [tracklet.fork() for tracklet in self._open]
        other._closed = self._closed.copy()
        other._frame_times = self._frame_times.copy()
        return other

    def end_shot(self) -> None:
        """Closes every tracklet: the next frame belongs to another shot."""
        self._closed += self._open
        self._open = []

    def add(self, frame: Frame, read_face: ReadFace, detections: list[Detection] | None) -> None:
        """Takes in the next frame.

        Args:
          frame: the frame.
          read_face: reads the face in a region of the frame; returns None if there is none.
          detections: faces that the detector found in the frame; None if it did not run on it.
        """
        now_us = frame.timestamp_us
        self._frame_times.append(FrameTime(frame.index, now_us))
        self._close_stale(now_us)
        # Faces are read first where they are expected: most need no detection.
        expected = [tracklet.region(now_us) for tracklet in self._open]
        observations = observe(expected, read_face, detections or [])
        boxes = [
            tracklet.box_in(region) for tracklet, region in zip(self._open, expected, strict=True)
        ]
        owners = self._associator.assign(frame, self._open, boxes, observations)
        self._mark_missing(set(owners.values()))
        self._extend(observations, owners)
        # A frame without detection says nothing about what the detector would confirm.
        if detections is not None:
            self._give_up_unconfirmed(now_us)
        self._keep_chips(frame)

    def finish(self) -> tuple[Track, ...]:
        """Closes all tracklets and returns their smoothed tracks, in order of first appearance."""
        self.end_shot()
        self._closed.sort(key=lambda tracklet: tracklet.faces[0].frame_index)
        tracks: list[Track] = []
        while self._closed:
            # Each tracklet is released once it is smoothed: an hour of one face takes 0.5 GB.
            tracklet = self._closed.pop(0)
            self._embed_chips(tracklet)
            tracks.append(to_track(len(tracks), tracklet, self._frame_times, self._settings))
        return tuple(tracks)

    def _close_stale(self, now_us: int) -> None:
        """Closes the tracklets whose face has been missing for too long."""
        earliest = now_us - self._settings.max_gap_us
        for tracklet in self._open.copy():
            if tracklet.faces[-1].timestamp_us < earliest:
                self._close(tracklet)

    def _mark_missing(self, found: set[int]) -> None:
        """Notes which open tracklets found their face, given the positions of those that did."""
        for position, tracklet in enumerate(self._open):
            missing = position not in found
            self.events += missing != tracklet.missing
            tracklet.missing = missing

    def _extend(self, observations: list[FaceObservation], owners: dict[int, int]) -> None:
        """Adds each observation to its tracklet; starts one for each confirmed face of nobody."""
        for number, observation in enumerate(observations):
            if number in owners:
                self._open[owners[number]].add(observation)
            elif observation.confirmed:
                self._open.append(Tracklet(observation))
                self.events += 1

    def _give_up_unconfirmed(self, now_us: int) -> None:
        """Closes the tracklets that the detector has not confirmed for too long.

        Their faces after the last confirmed one are dropped: the mesh reads a face in anything.
        """
        earliest = now_us - self._settings.max_unconfirmed_us
        for tracklet in self._open.copy():
            if tracklet.last_confirmed_us < earliest:
                tracklet.drop_unconfirmed_end()
                self._close(tracklet)
                self.events += 1

    def _close(self, tracklet: Tracklet) -> None:
        """Closes one tracklet; one that is too short is taken for an error and dropped."""
        self._open = [other for other in self._open if other is not tracklet]
        if len(tracklet.faces) >= self._settings.min_frames:
            self._closed.append(tracklet)

    def _keep_chips(self, frame: Frame) -> None:
        """Keeps chips of the faces whose next embedding is due.

        A face that is close to another one waits: its chip might show the other person.
        """
        if self._identifier is None:
            return
        boxes = [mesh_box(tracklet.faces[-1].landmarks) for tracklet in self._open]
        for position, tracklet in enumerate(self._open):
            elapsed_us = frame.timestamp_us - tracklet.last_chip_us
            if tracklet.missing or elapsed_us < self._settings.identify_every_us:
                continue
            if close_to_another(boxes, position):
                continue
            landmarks = tracklet.faces[-1].landmarks
            tracklet.keep_chip(self._identifier.chip(frame.image, landmarks))
            if len(tracklet.chips) == _CHIPS_PER_BATCH:
                self._embed_chips(tracklet)

    def _embed_chips(self, tracklet: Tracklet) -> None:
        if self._identifier is not None:
            tracklet.embed_chips(self._identifier.embed)
