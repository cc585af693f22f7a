"""Spoilt crops are dropped for the right reason, all others kept, and memory stays small."""

import base64
import dataclasses

import cv2
import numpy as np
import pytest

from data_prep.imaging import similarity
from data_prep.mesh import crop_alignment
from data_prep.preparation import crop_filter
from data_prep.preparation.crop_filter import QualityFilter, QualitySettings, Reason

_SETTINGS = QualitySettings()
# Size of the frames that the crops are from, pixels.
_HEIGHT, _WIDTH = 300, 400


def _image(face, change):
    return dataclasses.replace(face, image=change(face.image))


def _light(stops):
    """Another exposure of the same scene, as a camera with gamma 2.2 would give it."""
    levels = np.clip((np.arange(256) / 255) ** 2.2 * 2.0**stops, 0, 1) ** (1 / 2.2) * 255
    return lambda image: levels.round().astype(np.uint8)[image]


def _moved(face, right, down):
    """The crop of a face that is elsewhere in its frame; the image is the same."""
    transform = face.transform.copy()
    transform[:, 2] -= transform[:, :2] @ [right, down]
    return dataclasses.replace(face, transform=transform)


def _enlarged(face, height):
    """The crop of a face that is this many pixels high in its frame, near the middle."""
    scale = crop_alignment.FACE_HEIGHT * 256 / height
    transform = np.array([[scale, 0, 128 - scale * 200], [0, scale, 128 - scale * 150]])
    return dataclasses.replace(face, transform=transform.astype(np.float32))


def _masked(face, rows):
    mask = face.masks["face"].copy()
    mask[rows] = 0
    return dataclasses.replace(face, masks=face.masks | {"face": mask})


def _posed(face, yaw, pitch):
    return dataclasses.replace(face, pose=np.array([yaw, pitch, 0], np.float32))


def _motion(length):
    return lambda image: cv2.filter2D(image, -1, np.ones((1, length)) / length)


_KEPT = {
    "small enough": lambda f: _enlarged(f, 44),
    "at the edge": lambda f: _moved(f, 0, 300 - _lowest(f) + 1),
    "turned": lambda f: _posed(f, -70, 20),
    "chin hidden": lambda f: _masked(f, slice(200, 256)),
    "dim": lambda f: _image(f, _light(-3)),
    "bright": lambda f: _image(f, _light(1.5)),
    "soft": lambda f: _image(f, lambda i: cv2.GaussianBlur(i, (0, 0), 1.5)),
}
_DROPPED = {
    "too small": (lambda f: _enlarged(f, 36), Reason.SMALL),
    "cut by the edge": (lambda f: _moved(f, 400 - 0.5 * (_lowest(f)), 0), Reason.OUTSIDE),
    "profile": (lambda f: _posed(f, -80, 0), Reason.TURNED),
    "bowed": (lambda f: _posed(f, 0, 80), Reason.TURNED),
    "behind a hand": (lambda f: _masked(f, slice(150, 256)), Reason.HIDDEN),
    "night": (lambda f: _image(f, _light(-6)), Reason.DARK),
    "half in the shade": (lambda f: _image(f, lambda i: _left_black(i)), Reason.DARK),
    "blown out": (lambda f: _image(f, _light(4)), Reason.BRIGHT),
    "out of focus": (
        lambda f: _image(f, lambda i: cv2.GaussianBlur(i, (0, 0), 4)),
        Reason.BLURRED,
    ),
    "in motion": (lambda f: _image(f, _motion(15)), Reason.BLURRED),
}


def _lowest(face):
    points = similarity.apply(similarity.inverse(face.transform), face.landmarks)
    return float(points[:, 1].max())


def _left_black(image):
    return np.where(np.arange(256)[:, None] < 128, 0, image).astype(np.uint8)


@pytest.mark.parametrize("name", _KEPT)
def test_a_crop_within_all_limits_is_kept(crops, name):
    measured = crop_filter.measure(_KEPT[name](crops[0]), _HEIGHT, _WIDTH)
    assert crop_filter.defect(measured, _SETTINGS) is None, measured


@pytest.mark.parametrize("name", _DROPPED)
def test_a_spoilt_crop_is_dropped_for_the_right_reason(crops, name):
    spoil, reason = _DROPPED[name]
    measured = crop_filter.measure(spoil(crops[0]), _HEIGHT, _WIDTH)
    assert crop_filter.defect(measured, _SETTINGS) is reason, measured


def test_measurements_in_closed_form(crops):
    face = crops[0]
    points = similarity.apply(similarity.inverse(face.transform), face.landmarks)
    measured = crop_filter.measure(face, _HEIGHT, _WIDTH)
    # Forehead to chin, whatever the mouth and the tilt of the head do to either.
    assert measured.height == pytest.approx(np.ptp(points[:, 1]), rel=0.1)
    assert measured.outside == 0 and measured.hidden < 0.05
    width = int(np.quantile(points[:, 0], 0.9)) + 1
    expected = np.mean(points[:, 0] > width - 0.5)
    assert crop_filter.measure(face, _HEIGHT, width).outside == pytest.approx(expected)
    grey = crop_filter.measure(_image(face, lambda i: np.full_like(i, 90)), _HEIGHT, _WIDTH)
    assert (grey.black, grey.white, grey.light) == (0, 0, 90)


def test_a_still_stretch_leaves_one_crop(crops):
    noise = np.random.default_rng(0)

    def shot(face):
        return _image(
            face, lambda i: np.clip(i + noise.normal(0, 4, i.shape), 0, 255).astype(np.uint8)
        )

    keep = QualityFilter(_SETTINGS, _HEIGHT, _WIDTH)
    assert [keep(shot(crops[0])) for _ in range(5)] == [None] + 4 * [Reason.DUPLICATE]


def test_slow_changes_add_up(crops):
    """Each crop is compared with the last one kept: half a grey level a frame is new in four."""
    grey = [_image(crops[0], lambda i, n=n: np.clip(i, 50, 200) + n // 2) for n in range(0, 24)]
    grey = [_image(f, lambda i: i.astype(np.uint8)) for f in grey]
    keep = QualityFilter(_SETTINGS, _HEIGHT, _WIDTH)
    assert [n for n, face in enumerate(grey) if keep(face) is None] == [0, 4, 8, 12, 16, 20]


def test_a_blink_is_new(crops):
    """Two strips of skin over the eyes: next to nothing of the face, yet another image."""
    face = crops[0]
    shut = face.image.copy()
    for corners in ((33, 133), (362, 263)):
        (left, right), y = face.landmarks[list(corners), 0], face.landmarks[corners[0], 1]
        rows, columns = slice(round(y) - 6, round(y) + 7), slice(round(left), round(right))
        shut[rows, columns] = face.image[round(y) + 25, round(left)]
    keep = QualityFilter(_SETTINGS, _HEIGHT, _WIDTH)
    assert keep(face) is None and keep(dataclasses.replace(face, image=shut)) is None


def test_a_clean_clip_loses_only_duplicates(crops):
    keep = QualityFilter(_SETTINGS, _HEIGHT, _WIDTH)
    kept = list(keep.kept(crops))
    assert set(keep.dropped) == {"duplicate"}
    assert len(kept) + keep.dropped["duplicate"] == len(crops)
    assert 0.4 < len(kept) / len(crops) < 0.95
    lumas = [crop_filter.coarse_luma(face.image) for face in kept]
    changes = [crop_filter.change(a, b) for a, b in zip(lumas[1:], lumas, strict=False)]
    assert min(changes) >= _SETTINGS.min_change
    (thumbnails,) = keep.thumbnails().values()
    assert len(thumbnails) == min(8, keep.dropped["duplicate"])
    decoded = cv2.imdecode(
        np.frombuffer(base64.b64decode(thumbnails[0]), np.uint8), cv2.IMREAD_COLOR
    )
    assert decoded.shape == (96, 96, 3)


@pytest.mark.parametrize("count", [0, 1, 8, 9, 100, 1000])
def test_thumbnails_are_few_and_evenly_spaced(count):
    picked = crop_filter.EvenlySpaced(8)
    for number in range(count):
        picked.add(np.full((8, 8, 3), number * 200 // max(count, 1), np.uint8))
        assert len(picked._taken) <= 16
    thumbnails = [np.frombuffer(base64.b64decode(p), np.uint8) for p in picked.thumbnails()]
    levels = [float(cv2.imdecode(p, cv2.IMREAD_GRAYSCALE).mean()) for p in thumbnails]
    assert len(levels) == min(count, 8)
    if count > 8:
        steps = np.diff(levels)
        assert steps.min() > 0.4 * steps.max() and levels[0] < 15 and levels[-1] > 155


def test_every_reason_has_a_text():
    assert all(len(reason.text) > 10 for reason in Reason)
