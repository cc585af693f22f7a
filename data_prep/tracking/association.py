"""Association: which tracklet each face of a frame belongs to.

Usually the place of a face decides. Its identity is compared only where places are ambiguous:
while two faces are close to each other, and when a tracklet missed its face in the last frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from data_prep.imaging.boxes import overlap
from data_prep.records import Frame
from data_prep.tracking.face_observations import FaceObservation
from data_prep.tracking.settings import Identifier, TrackingSettings
from data_prep.tracking.tracklet import Tracklet

# Overlap above which two boxes are too close for places to tell their faces apart.
_CLOSE = 0.05
# Farthest that a missing face can reappear, in longer sides of its box.
_REACH = 2.0
# Cost of a unit of embedding distance, where a unit of lost overlap costs 1.
_IDENTITY_WEIGHT = 3.0
# Cost of an assignment that is ruled out, far above all others.
_IMPOSSIBLE = 1e3


class Associator:
    """Assigns observed faces to tracklets, so that the total cost of all pairs is least.

    Args:
      settings: limits for overlap and identity.
      identifier: compares identities where places are ambiguous; None to use places alone.
    """

    def __init__(self, settings: TrackingSettings, identifier: Identifier | None):
        self._settings = settings
        self._identifier = identifier

    def assign(
        self,
        frame: Frame,
        tracklets: Sequence[Tracklet],
        boxes: Sequence[np.ndarray],
        observations: Sequence[FaceObservation],
    ) -> dict[int, int]:
        """Assigns the faces of one frame.

        Args:
          frame: the frame.
          tracklets: the open tracklets.
          boxes: `[4]` each, the box that each tracklet predicts in this frame.
          observations: faces found in the frame.

        Returns:
          Index of an observation to index of its tracklet; unassigned observations are left out.
        """
        costs = np.full((len(observations), len(tracklets)), _IMPOSSIBLE)
        for column, (tracklet, box) in enumerate(zip(tracklets, boxes, strict=True)):
            ambiguous = tracklet.missing or close_to_another(boxes, column)
            for row, observation in enumerate(observations):
                distance = None
                if ambiguous:
                    distance = self._identity_distance(frame, tracklet, box, observation)
                costs[row, column] = self._cost(tracklet, overlap(box, observation.box), distance)
        rows, columns = linear_sum_assignment(costs)
        # The solver pairs as many as it can, and so also pairs that are ruled out.
        possible = costs[rows, columns] < _IMPOSSIBLE
        return dict(zip(rows[possible].tolist(), columns[possible].tolist(), strict=True))

    def _cost(self, tracklet: Tracklet, shared: float, distance: float | None) -> float:
        """Returns the cost of an observation as the next face of a tracklet.

        Args:
          tracklet: the tracklet.
          shared: overlap of the observation with the predicted box.
          distance: embedding distance of the two, None if it is unknown.
        """
        near = shared >= self._settings.min_overlap
        if distance is None:
            plausible = near
            # Neither for nor against: as much as the largest distance of one person.
            distance = self._settings.same_person
        else:
            # Identity finds a face that reappears elsewhere. A face that was in the last frame is
            # also believed for its place, and its distance then only adds to the cost.
            same_person = distance <= self._settings.same_person
            plausible = same_person or (near and not tracklet.missing)
        return 1 - shared + _IDENTITY_WEIGHT * distance if plausible else _IMPOSSIBLE

    def _identity_distance(
        self, frame: Frame, tracklet: Tracklet, box: np.ndarray, observation: FaceObservation
    ) -> float | None:
        """Returns the distance of an observation's embedding from a tracklet's mean embedding.

        It is None if the tracklet has no embedding yet, or if the observation is out of reach.
        """
        if self._identifier is None:
            return None
        tracklet.embed_chips(self._identifier.embed)
        if not tracklet.embeddings or _out_of_reach(box, observation.box):
            return None
        chip = self._identifier.chip(frame.image, observation.face.landmarks)
        embedding = self._identifier.embed(chip[None])[0]
        return float(np.linalg.norm(np.mean(tracklet.embeddings, 0) - embedding))


def close_to_another(boxes: Sequence[np.ndarray], index: int) -> bool:
    """Whether box `index` is close to any other one, so that places do not tell them apart."""
    own = boxes[index]
    return any(overlap(own, other) > _CLOSE for i, other in enumerate(boxes) if i != index)


def _out_of_reach(box: np.ndarray, other: np.ndarray) -> bool:
    """Whether a face of box `box` cannot have moved to box `other` while it was missing."""
    distance = np.hypot(*(box[:2] + box[2:] - other[:2] - other[2:])) / 2
    return bool(distance > _REACH * np.max(box[2:] - box[:2]))
