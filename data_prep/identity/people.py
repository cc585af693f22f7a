"""Who is who in a video: tracks to people, and the one that is wanted.

Tracks are clustered by what was read of their identity (average linkage, Sokal and Michener,
1958), two that are seen in one frame never together. What cannot be told to be one person is
left out, with the reason.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist, squareform

from data_prep.errors import InputError
from data_prep.even_spacing import spread
from data_prep.identity import embeddings as embeddings_lib
from data_prep.identity.embeddings import SAME_PERSON
from data_prep.records import Person, Track
from data_prep.tracking.tracker import mesh_box

# As many reads of a track, evenly spread, say all that it has to say of its identity.
_MOST_READS = 16
# Further than any two embeddings, and than the mean of any number of them.
_NEVER = 1e9
# How near to `identity.nothing` is no face. Measured: what the detector and the mesh both take
# for one (a neck, letters, leaves) 0.44 at most, a cartoon rabbit 0.38 to 0.52; faces of
# people 0.55 at least, also dark, blurred or behind a hand.
_NO_FACE = 0.5
_NOBODY = "nobody is seen clearly enough to be recognised"
# Degrees of yaw up to which a read counts. Measured on meshes turned with their texture: at 34
# degrees (of `landmarks.head_pose`) a face is 0.57 at most from its own front and 0.64 at least
# from another's; at 42 it is 0.71 and 0.61, and at 46 four in ten are no face to the network.
_MOST_YAW = 35.0


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """A track that was given to nobody.

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
      people: the one who is seen most first, by frames and size of face.
      left_out: tracks that are nobody's, in order of time.
      cuts: frames at which a track went over from one person to another and was cut.
    """

    people: tuple[Person, ...]
    left_out: tuple[LeftOut, ...]
    cuts: tuple[int, ...]


def tell_apart(tracks: Sequence[Track]) -> PeopleInVideo:
    """Finds the people that tracks are of.

    Args:
      tracks: of one video, with their identity read.

    Returns:
      Every face that was handed over, once. Only identities read near the front count, the
      others are taken off the tracks; the later parts of a track that was cut are numbered anew.
    """
    pure, cuts = _unmixed([_front(track) for track in tracks])
    faults = [_fault(track) for track in pure]
    left_out = [LeftOut(t, fault) for t, fault in zip(pure, faults, strict=True) if fault]
    sound = [track for track, fault in zip(pure, faults, strict=True) if not fault]
    groups: dict[int, list[Track]] = {}
    for number, track in zip(_clusters(sound), sound, strict=True):
        groups.setdefault(number, []).append(track)
    people = sorted((_person(group) for group in groups.values()), key=_weight, reverse=True)
    ordered = sorted(left_out, key=lambda one: _start(one.track))
    return PeopleInVideo(tuple(people), tuple(ordered), tuple(sorted(cuts)))


def choose(people: Sequence[Person], reference: np.ndarray | None = None) -> Person:
    """The wanted person.

    Args:
      people: of one video, as `Cast.people`.
      reference: `[EMBEDDING_SIZE]`, of the wanted person; None for who is seen most.

    Raises:
      InputError: if nobody is the person of the reference, or there is nobody at all.
    """
    if reference is not None:
        return alike(people, reference[None])[0]
    if not people:
        raise InputError(_NOBODY)
    return max(people, key=_weight)


def alike(people: Sequence[Person], known: np.ndarray) -> tuple[Person, ...]:
    """Everybody who is the person of some embeddings, the most similar first.

    Of two who are seen in one frame only the more similar one is: nobody is in two places.

    Args:
      people: of one video, as `Cast.people`.
      known: `[K, EMBEDDING_SIZE]`, of the wanted person; one that is near is enough.

    Raises:
      InputError: if nobody is, or there is nobody at all.
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
            f"most {SAME_PERSON:.2f} away; give a clear picture of somebody in the video"
        )
    found: list[Person] = []
    taken: set[int] = set()
    for one in (people[i] for i in order if away[i] <= SAME_PERSON):
        frames = {face.frame_index for track in one.tracks for face in track.faces}
        if taken.isdisjoint(frames):
            taken |= frames
            found.append(one)
    return tuple(found)


def distances(people: Sequence[Person], known: np.ndarray) -> np.ndarray:
    """How far each is from the nearest of some embeddings `[K, EMBEDDING_SIZE]`: `[N]`."""
    return cdist([person.embedding for person in people], known).min(1)


def changes(embeddings: np.ndarray) -> np.ndarray:
    """Where reads go over to another person: rising numbers of the last read of the first.

    Neighbours in time of one person are 0.48 apart at most on the sample clips, or 0.62 where a
    hand comes before the face between two reads a second apart; two people are 0.70 and more
    apart in 99 of 100 pairs. A change too many does little harm: the parts of one person are
    clustered together again.

    Args:
      embeddings: `[K, EMBEDDING_SIZE]`, of one track, in order of time.
    """
    return np.flatnonzero(np.linalg.norm(np.diff(embeddings, axis=0), axis=1) > SAME_PERSON)


def unmix(track: Track) -> tuple[Track, ...]:
    """Cuts a track wherever it goes over from one person to another.

    One that does so at more than every third read is no sequence of people and stays whole
    (`tell_apart` leaves it out).

    Returns:
      The parts, in order of time, all with the number of the track.
    """
    found = changes(track.embeddings)
    if not len(found) or 3 * len(found) > len(track.embedded):
        return (track,)
    cuts = [_jump(track, *track.embedded[read : read + 2]) for read in found]
    edges = itertools.pairwise([0, *cuts, len(track.faces)])
    return _with_thumbnail([part(track, *edge) for edge in edges], track.thumbnail)


def part(track: Track, start: int, stop: int) -> Track:
    """The faces from one position to before another, with the number of the track."""
    inside = (track.embedded >= start) & (track.embedded < stop)
    return dataclasses.replace(
        track,
        faces=track.faces[start:stop],
        transforms=track.transforms[start:stop],
        embedded=track.embedded[inside] - start,
        embeddings=track.embeddings[inside],
        thumbnail=None,
    )


def _front(track: Track) -> Track:
    """The track with what was read of it from the front, or with all if that is nothing."""
    front = _yaw(track) <= _MOST_YAW
    if not front.any():
        return track
    return dataclasses.replace(
        track, embedded=track.embedded[front], embeddings=track.embeddings[front]
    )


def _yaw(track: Track) -> np.ndarray:
    """Absolute yaw of the faces that were read, degrees, `[K]`."""
    return np.array([abs(track.faces[position].pose[0]) for position in track.embedded])


def _unmixed(tracks: Sequence[Track]) -> tuple[list[Track], list[int]]:
    """Tracks of one person each, numbered apart, and the frames at which they were cut."""
    numbers = itertools.count(1 + max((track.track_id for track in tracks), default=-1))
    pure: list[Track] = []
    cuts: list[int] = []
    for track in tracks:
        first, *others = unmix(track)
        pure.append(first)
        pure += [dataclasses.replace(part, track_id=next(numbers)) for part in others]
        cuts += [part.faces[0].frame_index for part in others]
    return pure, cuts


def _jump(track: Track, before: int, after: int) -> int:
    """The position between two reads, of two people, from which on it is the second."""
    meshes = np.stack([face.landmarks for face in track.faces[before : after + 1]])
    return int(before + 1 + np.linalg.norm(np.diff(meshes, axis=0), axis=-1).mean(-1).argmax())


def _with_thumbnail(parts: list[Track], thumbnail: np.ndarray | None) -> tuple[Track, ...]:
    """Gives the picture of the whole track to the part that it shows."""
    if thumbnail is not None:
        shown = embeddings_lib.embed(thumbnail[None])
        away = [float(cdist(part.embeddings, shown).min()) for part in parts]
        owner = int(np.argmin(away))
        parts[owner] = dataclasses.replace(parts[owner], thumbnail=thumbnail)
    return tuple(parts)


def _fault(track: Track) -> str:
    """Why a track cannot be given to a person; empty if it can."""
    if not len(track.embeddings):
        return "its identity was not read"
    if np.median(cdist(track.embeddings, embeddings_lib.nothing()[None])) < _NO_FACE:
        sideways = _yaw(track).min() > _MOST_YAW
        return "it is only seen from the side" if sideways else "it is no face of a person"
    if len(changes(track.embeddings)):
        return "its faces are not of one person"
    return ""


def _clusters(tracks: Sequence[Track]) -> list[int]:
    """The number of the person of each track."""
    if len(tracks) < 2:
        return [0] * len(tracks)
    apart = _distances(tracks)
    frames = [{face.frame_index for face in track.faces} for track in tracks]
    for i, j in itertools.combinations(range(len(tracks)), 2):
        if not frames[i].isdisjoint(frames[j]):
            apart[i, j] = apart[j, i] = _NEVER
    tree = linkage(squareform(apart, checks=False), "average")
    return fcluster(tree, SAME_PERSON, "distance").tolist()


def _distances(tracks: Sequence[Track]) -> np.ndarray:
    """Mean distance of what was read of every two tracks, `[T, T]`, zeros on the diagonal."""
    reads = [_some(track.embeddings) for track in tracks]
    counts = np.array([len(some) for some in reads])
    starts = np.cumsum(counts) - counts
    everything = np.concatenate(reads)
    rows = [np.add.reduceat(cdist(some, everything).mean(0), starts) / counts for some in reads]
    apart = np.stack(rows)
    np.fill_diagonal(apart, 0)
    return apart


def _some(reads: np.ndarray) -> np.ndarray:
    """At most `_MOST_READS` of them, evenly spread."""
    return reads[spread(len(reads), _MOST_READS)]


def _person(tracks: list[Track]) -> Person:
    ordered = sorted(tracks, key=_start)
    reads = np.concatenate([track.embeddings for track in ordered])
    # Coordinate by coordinate, so that a hand before the face does not pull it away.
    middle = np.median(reads, 0).astype(np.float32)
    typical = min(
        (track for track in ordered if track.thumbnail is not None),
        key=lambda track: float(np.linalg.norm(np.median(track.embeddings, 0) - middle)),
        default=None,
    )
    return Person(tuple(ordered), middle, typical.thumbnail if typical else None)


def _start(track: Track) -> tuple[int, int]:
    return track.faces[0].frame_index, track.track_id


def _weight(person: Person) -> float:
    """Frames times the size of the face, pixels."""
    boxes = [mesh_box(face.landmarks) for track in person.tracks for face in track.faces]
    return sum(float(np.prod(box[2:] - box[:2])) ** 0.5 for box in boxes)
