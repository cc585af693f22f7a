"""Groups the tracks of a video by person, and selects the wanted person.

Tracks are clustered by their embeddings (average linkage, Sokal and Michener, 1958); two tracks
that share a frame are never of one person. Tracks that cannot be assigned to one person are left
out, with the reason.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist, squareform

from data_prep.errors import InputError
from data_prep.even_spacing import evenly_spaced
from data_prep.identity.embeddings import SAME_PERSON, embed, non_face_embedding
from data_prep.imaging.boxes import mesh_box
from data_prep.records import Person, Track

# More embeddings of a track, evenly spaced, do not describe its identity any better.
_MAX_EMBEDDINGS = 16
# Larger than any distance of two embeddings, and than the mean of any number of distances.
_NEVER = 1e9
# An embedding this near to `non_face_embedding` is not of a face. Measured: what the detector and
# the mesh both mistake for one (a neck, letters, leaves) is 0.44 away at most, a cartoon rabbit
# 0.38 to 0.52; faces of people 0.55 at least, also dark, blurred or behind a hand.
_NO_FACE = 0.5
_NOBODY = "nobody is seen clearly enough to be recognised"
# Degrees of yaw up to which an embedding counts. Measured on meshes turned with their texture: at
# 34 degrees (by `face_mesh.head_pose`) a face is 0.57 at most from its own front and 0.64 at least
# from another's; at 42 it is 0.71 and 0.61, and at 46 four in ten are no face to the network.
_MAX_YAW = 35.0


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """A track that was assigned to nobody.

    Attributes:
      track: the track.
      reason: why, in words.
    """

    track: Track
    reason: str


@dataclasses.dataclass(frozen=True)
class PeopleInVideo:
    """Everybody in a video.

    Attributes:
      people: the most prominent person first, by number of frames and size of face.
      left_out: tracks assigned to nobody, in order of time.
      cuts: indices of the frames at which a track changed from one person to another and was cut.
    """

    people: tuple[Person, ...]
    left_out: tuple[LeftOut, ...]
    cuts: tuple[int, ...]


def group_by_person(tracks: Sequence[Track]) -> PeopleInVideo:
    """Assigns tracks to people.

    Args:
      tracks: tracks of one video, with their embeddings.

    Returns:
      Every face of `tracks`, exactly once. Only embeddings of nearly frontal faces count, all
      others are removed from the tracks; the later pieces of a track that was cut get new numbers.
    """
    # A change of person inside a track has to be cut out before tracks can be compared.
    single_person, cuts = _split_all([_frontal(track) for track in tracks])
    usable: list[Track] = []
    left_out: list[LeftOut] = []
    for track in single_person:
        fault = _fault(track)
        if fault:
            left_out.append(LeftOut(track, fault))
        else:
            usable.append(track)
    groups: dict[int, list[Track]] = {}
    for number, track in zip(_clusters(usable), usable, strict=True):
        groups.setdefault(number, []).append(track)
    people = sorted((_person(group) for group in groups.values()), key=_prominence, reverse=True)
    left_out.sort(key=lambda one: _start(one.track))
    return PeopleInVideo(tuple(people), tuple(left_out), tuple(sorted(cuts)))


def select_person(people: Sequence[Person], reference: np.ndarray | None = None) -> Person:
    """Returns the wanted person.

    Args:
      people: people of one video, as in `PeopleInVideo.people`.
      reference: `[EMBEDDING_SIZE]`, embedding of the wanted person; None for the most prominent.

    Raises:
      InputError: if nobody matches the reference, or there is nobody at all.
    """
    if reference is not None:
        return matching_people(people, reference[None])[0]
    if not people:
        raise InputError(_NOBODY)
    return max(people, key=_prominence)


def matching_people(people: Sequence[Person], known: np.ndarray) -> tuple[Person, ...]:
    """Returns everybody who matches any of some embeddings, the most similar first.

    Of two matches that share a frame only the more similar one is returned: nobody is in two
    places at once.

    Args:
      people: people of one video, as in `PeopleInVideo.people`.
      known: `[K, EMBEDDING_SIZE]`, embeddings of the wanted person; one that is near is enough.

    Raises:
      InputError: if nobody matches, or there is nobody at all.
    """
    if not people:
        raise InputError(_NOBODY)
    away = distances(people, known)
    order = np.argsort(away, kind="stable").tolist()
    nearest = order[0]
    if away[nearest] > SAME_PERSON:
        raise InputError(
            f"nobody in the video is the person of the reference: the most similar one (seen in "
            f"{people[nearest].frames} frames) is {away[nearest]:.2f} away, and one person is at "
            f"most {SAME_PERSON:.2f} away; give a clear image of somebody in the video",
            setting="reference",
        )
    # Greedy, from the most similar on, so that the better match claims the frames it is in.
    found: list[Person] = []
    taken: set[int] = set()
    for person in (people[i] for i in order if away[i] <= SAME_PERSON):
        frames = {face.frame_index for track in person.tracks for face in track.faces}
        if taken.isdisjoint(frames):
            taken |= frames
            found.append(person)
    return tuple(found)


def distances(people: Sequence[Person], known: np.ndarray) -> np.ndarray:
    """Returns each person's distance to the nearest embedding of `known`.

    Args:
      people: N people.
      known: `[K, EMBEDDING_SIZE]`.

    Returns:
      `[N]`.
    """
    return cdist([person.embedding for person in people], known).min(1)


def person_changes(embeddings: np.ndarray) -> np.ndarray:
    """Finds where consecutive embeddings of a track change from one person to another.

    Neighbours in time of one person are 0.48 apart at most on the sample clips, or 0.62 where a
    hand covers the face between two embeddings a second apart; two people are 0.70 or more
    apart in 99 of 100 pairs. One change too many does little harm: the pieces of one person are
    clustered together again.

    Args:
      embeddings: `[K, EMBEDDING_SIZE]`, of one track, in order of time.

    Returns:
      Rising indices of the last embedding before each change.
    """
    return np.flatnonzero(np.linalg.norm(np.diff(embeddings, axis=0), axis=1) > SAME_PERSON)


def split_by_person(track: Track) -> tuple[Track, ...]:
    """Cuts a track wherever it changes from one person to another.

    A track that changes at more than every third embedding is no sequence of people and stays
    whole (`group_by_person` leaves it out).

    Returns:
      The pieces, in order of time, all with the number of the track.
    """
    changes = person_changes(track.embeddings)
    if not len(changes) or 3 * len(changes) > len(track.embedded):
        return (track,)
    cuts = [_jump(track, *track.embedded[read : read + 2]) for read in changes]
    edges = itertools.pairwise([0, *cuts, len(track.faces)])
    pieces = [slice_track(track, start, stop) for start, stop in edges]
    return _with_thumbnail(pieces, track.thumbnail)


def slice_track(track: Track, start: int, stop: int) -> Track:
    """Returns faces `start` to `stop` (exclusive) as a track of the same number.

    It has no thumbnail.
    """
    inside = (track.embedded >= start) & (track.embedded < stop)
    return dataclasses.replace(
        track,
        faces=track.faces[start:stop],
        transforms=track.transforms[start:stop],
        embedded=track.embedded[inside] - start,
        embeddings=track.embeddings[inside],
        thumbnail=None,
    )


def _frontal(track: Track) -> Track:
    """Returns the track with its nearly frontal embeddings, or with all if none is frontal."""
    frontal = _yaw(track) <= _MAX_YAW
    if not frontal.any():
        return track
    return dataclasses.replace(
        track, embedded=track.embedded[frontal], embeddings=track.embeddings[frontal]
    )


def _yaw(track: Track) -> np.ndarray:
    """Returns the absolute yaw of the faces that have an embedding, degrees, `[K]`."""
    return np.array([abs(track.faces[position].pose[0]) for position in track.embedded])


def _split_all(tracks: Sequence[Track]) -> tuple[list[Track], list[int]]:
    """Returns tracks of one person each, with distinct numbers, and the frames of the cuts."""
    numbers = itertools.count(1 + max((track.track_id for track in tracks), default=-1))
    pieces: list[Track] = []
    cuts: list[int] = []
    for track in tracks:
        first, *others = split_by_person(track)
        pieces.append(first)
        pieces += [dataclasses.replace(piece, track_id=next(numbers)) for piece in others]
        cuts += [piece.faces[0].frame_index for piece in others]
    return pieces, cuts


def _jump(track: Track, before: int, after: int) -> int:
    """Returns the position of the first face of the second person.

    The face is between two embeddings of different people, at positions `before` and `after`:
    where the mesh moves most.
    """
    meshes = np.stack([face.landmarks for face in track.faces[before : after + 1]])
    return int(before + 1 + np.linalg.norm(np.diff(meshes, axis=0), axis=-1).mean(-1).argmax())


def _with_thumbnail(pieces: list[Track], thumbnail: np.ndarray | None) -> tuple[Track, ...]:
    """Gives the thumbnail of a whole track to the piece whose person it shows."""
    if thumbnail is not None:
        embedding = embed(thumbnail[None])
        away = [float(cdist(piece.embeddings, embedding).min()) for piece in pieces]
        owner = int(np.argmin(away))
        pieces[owner] = dataclasses.replace(pieces[owner], thumbnail=thumbnail)
    return tuple(pieces)


def _fault(track: Track) -> str:
    """Returns why a track cannot be assigned to a person; empty if it can."""
    if not len(track.embeddings):
        return "its identity was not read"
    if np.median(cdist(track.embeddings, non_face_embedding()[None])) < _NO_FACE:
        # Beyond this yaw a real face may look like none to the network.
        sideways = _yaw(track).min() > _MAX_YAW
        return "it is only seen from the side" if sideways else "it is no face of a person"
    if len(person_changes(track.embeddings)):
        return "its faces are not of one person"
    return ""


def _clusters(tracks: Sequence[Track]) -> list[int]:
    """Returns the number of the person of each track."""
    if len(tracks) < 2:
        return [0] * len(tracks)
    apart = _mean_distances(tracks)
    # Nobody is in two places at once, however similar two faces of one frame are.
    frames = [{face.frame_index for face in track.faces} for track in tracks]
    for i, j in itertools.combinations(range(len(tracks)), 2):
        if not frames[i].isdisjoint(frames[j]):
            apart[i, j] = apart[j, i] = _NEVER
    tree = linkage(squareform(apart, checks=False), "average")
    return fcluster(tree, SAME_PERSON, "distance").tolist()


def _mean_distances(tracks: Sequence[Track]) -> np.ndarray:
    """Returns the mean embedding distance of every two tracks, `[T, T]`, zeros on the diagonal."""
    sampled = [_sampled(track.embeddings) for track in tracks]
    counts = np.array([len(embeddings) for embeddings in sampled])
    starts = np.cumsum(counts) - counts
    # The embeddings of a track are a run of columns, which `reduceat` sums.
    every = np.concatenate(sampled)
    rows = [
        np.add.reduceat(cdist(embeddings, every).mean(0), starts) / counts for embeddings in sampled
    ]
    apart = np.stack(rows)
    np.fill_diagonal(apart, 0)
    return apart


def _sampled(embeddings: np.ndarray) -> np.ndarray:
    """Returns at most `_MAX_EMBEDDINGS` of the embeddings, evenly spaced."""
    return embeddings[evenly_spaced(len(embeddings), _MAX_EMBEDDINGS)]


def _person(tracks: list[Track]) -> Person:
    ordered = sorted(tracks, key=_start)
    embeddings = np.concatenate([track.embeddings for track in ordered])
    # The median of each coordinate: a hand before the face hardly moves it.
    middle = np.median(embeddings, 0).astype(np.float32)
    typical = min(
        (track for track in ordered if track.thumbnail is not None),
        key=lambda track: float(np.linalg.norm(np.median(track.embeddings, 0) - middle)),
        default=None,
    )
    return Person(tuple(ordered), middle, typical.thumbnail if typical else None)


def _start(track: Track) -> tuple[int, int]:
    return track.faces[0].frame_index, track.track_id


def _prominence(person: Person) -> float:
    """Returns the number of frames, weighted by the size of the face in pixels."""
    boxes = [mesh_box(face.landmarks) for track in person.tracks for face in track.faces]
    return sum(float(np.prod(box[2:] - box[:2])) ** 0.5 for box in boxes)
