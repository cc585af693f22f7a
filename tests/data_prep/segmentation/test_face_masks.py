"""Masks of a synthetic face equal scikit-image's polygons and closed-form areas; masks of photos
and clips agree with a face parser and with points placed by hand."""

import pickle
from concurrent import futures

import numpy as np
import pytest
import skimage

from data_prep import weights
from data_prep.errors import InputError
from data_prep.imaging import similarity, warp
from data_prep.media import video_reader
from data_prep.mesh import crop_alignment, face_mesh, topology
from data_prep.segmentation import bisenet, face_masks, torch_checkpoint
from data_prep.segmentation.face_masks import Masker
from data_prep.segmentation.mask_source import MaskSource
from launch.benchmarks import masks
from launch.benchmarks.masks import Sample
from sagan_jax.inputs import sketch

_SIZE = 256
_SKIN, _DARK_HAIR = (200, 160, 140), (45, 30, 20)
_ALL_PERSON = np.ones((_SIZE, _SIZE), np.float32)
_HAIRLINE = 20


def _ellipse(centre: tuple[float, float], radii: tuple[float, float], count: int) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.array(centre) + np.array(radii) * np.stack([np.sin(turn), -np.cos(turn)], -1)


@pytest.fixture
def mesh():
    """Synthetic mesh `[478, 2]`: a face oval with eyes, mouth, brows and cheeks in their places."""
    points = np.full((478, 2), 128.0)
    points[list(topology.FACE_OVAL)] = _ellipse((128, 130), (80, 100), len(topology.FACE_OVAL))
    points[list(topology.LIPS)] = _ellipse((128, 190), (28, 12), len(topology.LIPS))
    points[list(topology.INNER_LIPS)] = _ellipse((128, 190), (24, 9), len(topology.INNER_LIPS))
    points[list(topology.LEFT_EYE)] = _ellipse((95, 105), (14, 6), len(topology.LEFT_EYE))
    points[list(topology.RIGHT_EYE)] = _ellipse((161, 105), (14, 6), len(topology.RIGHT_EYE))
    points[[70, 105, 107]] = [[75, 88], [93, 82], [115, 86]]
    points[[336, 334, 300]] = [[141, 86], [163, 82], [181, 88]]
    points[[50, 205, 425, 280, 197]] = [[80, 140], [95, 165], [161, 165], [176, 140], [128, 120]]
    points[168] = [128, 100]
    return points


@pytest.fixture
def head():
    """Image with skin up to a hairline above the top of the mesh, and dark hair around it."""
    image = np.full((_SIZE, _SIZE, 3), _SKIN, np.uint8)
    image[:_HAIRLINE] = image[:150, :30] = image[:150, 226:] = _DARK_HAIR
    return image


@pytest.fixture(scope="module")
def parser():
    return masks.mask_of(MaskSource.BISENET)


@pytest.fixture(scope="module")
def default():
    return masks.mask_of(MaskSource.MESH)


def _face(mesh: np.ndarray, image: np.ndarray, person: np.ndarray = _ALL_PERSON) -> np.ndarray:
    return face_masks.face_mask(image, mesh.astype(np.float32), person)


def _sample(image: np.ndarray, x: int, y: int, side: int, angle: int) -> Sample:
    """Reads the mesh of a face whose place is known; see `launch.benchmarks.masks.PHOTOS`."""
    region = face_mesh.Region(np.array([x, y]), side, np.radians(angle))
    points = face_mesh.FaceMesh()(image, region).points[:, :2]
    return Sample.of(image, points, crop_alignment.face_transform(points))


def _at(mask: np.ndarray, *points: tuple[int, int]) -> list[bool]:
    """Whether the mask contains each point (x, y)."""
    return [bool(mask[y, x]) for x, y in points]


def _agreement(mask: np.ndarray, polygon: np.ndarray) -> float:
    """Intersection over union with the polygon as filled by scikit-image."""
    ours = mask.reshape(_SIZE, _SIZE) > 0
    theirs = skimage.draw.polygon2mask((_SIZE, _SIZE), polygon[:, ::-1])
    return (ours & theirs).sum() / (ours | theirs).sum()


def test_masks_are_binary_uint8(samples):
    one = next(masks.photos(samples))
    result = Masker()(one.crop, one.landmarks, one.image, one.transform)
    assert set(result) == {"face", "eyes", "mouth"}
    for mask in result.values():
        assert mask.shape == (_SIZE, _SIZE, 1) and mask.dtype == np.uint8
        assert set(np.unique(mask)) == {0, 255}


def test_the_face_reaches_the_hairline_and_follows_the_oval(mesh, head):
    face = _face(mesh, head)
    assert face[_HAIRLINE + 4, 128] == 255 and face[_HAIRLINE - 4, 128] == 0
    below_the_brows = np.zeros_like(face)
    below_the_brows[100:] = 1
    oval = skimage.draw.polygon2mask((_SIZE, _SIZE), mesh[list(topology.FACE_OVAL)][:, ::-1])
    assert masks.agreement((face * below_the_brows) > 0, oval & (below_the_brows > 0)) > 0.98


def test_a_bald_head_ends_where_the_person_ends(mesh, head):
    head[:] = _SKIN
    person = _ALL_PERSON.copy()
    person[:12] = 0
    face = _face(mesh, head, person)
    assert face[14, 128] == 255 and not face[:12].any()


def test_background_beside_the_face_is_not_in_the_mask(mesh, head):
    """In profile the hull of the mesh spans the hollow between nose and chin."""
    person = _ALL_PERSON.copy()
    person[:, :70] = 0
    assert not _face(mesh, head, person)[:, :70].any()


def test_a_nose_that_stands_out_beyond_the_cheek_is_in_the_mask(mesh, head):
    mesh[4] = [230, 160]
    assert _face(mesh, head)[160, 222] == 255


def test_the_mouth_mask_ends_at_the_outer_edge_of_the_lips(mesh):
    assert _agreement(face_masks.mouth_mask(mesh, _SIZE), mesh[list(topology.LIPS)]) > 0.9


def test_eyes_are_widened_by_their_margin(mesh):
    eyes = face_masks.eyes_mask(mesh, _SIZE)
    margin = face_masks._EYE_MARGIN * _SIZE
    area = 2 * np.pi * (14 + margin) * (6 + margin)  # an ellipse widened is nearly an ellipse
    assert (eyes > 0).sum() == pytest.approx(area, rel=0.15)
    assert eyes[105, 95] == eyes[105, 161] == 255 and eyes[105, 128] == 0


def _with_irises(mesh: np.ndarray, at: tuple[float, float], radius: float) -> np.ndarray:
    """Puts both irises at an offset `at` (right, down) from the middle of their eyes."""
    for first, middle in ((468, (95, 105)), (473, (161, 105))):
        mesh[first] = np.array(middle) + at
        mesh[first + 1 : first + 5] = _ellipse(tuple(mesh[first]), (radius, radius), 4)
    return mesh


def test_a_sketch_has_lids_irises_and_the_opening_of_the_mouth(mesh):
    with_irises = _with_irises(mesh, (3.3, 0.6), 4.0)
    rendered = sketch.render_sketch(with_irises, _SIZE)[..., 0].astype(float)
    # Smooth edges reach half a pixel further, and polygons of 16 and 20 corners are smaller than
    # ellipses.
    lids = 8 * np.sin(np.pi / 8) * 14.5 * 6.5
    left = rendered[:150, :128]
    assert left.sum() == pytest.approx(127 * lids + 128 * np.pi * 4.5**2, rel=0.06)
    opening = 10 * np.sin(np.pi / 10) * 24.5 * 9.5
    assert rendered[150:].sum() == pytest.approx(255 * opening, rel=0.06)
    assert rendered[105, 85] == 127 and rendered[105, 128] == 0 and rendered[190, 128] == 255
    rows, columns = np.mgrid[:150, :128]
    iris = np.clip(left - 127, 0, None)
    centre = [(iris * axis).sum() / iris.sum() for axis in (columns, rows)]
    np.testing.assert_allclose(centre, [98.3, 105.6], atol=0.1)


@pytest.mark.parametrize("height", [6.0, 4.5, 3.0])
def test_lids_cover_the_iris(mesh, height):
    """The expected area is counted on a grid of twentieths of a pixel."""
    for eye, x in ((topology.LEFT_EYE, 95), (topology.RIGHT_EYE, 161)):
        mesh[list(eye)] = _ellipse((x, 105), (14, height), len(eye))
    rendered = sketch.render_sketch(_with_irises(mesh, (0.0, 0.0), 6.0), _SIZE)[:150]
    x, y = np.meshgrid(np.arange(-16, 16, 0.05), np.arange(-16, 16, 0.05))
    lids, iris = np.hypot(x / 14.5, y / (height + 0.5)) < 1, np.hypot(x, y) < 6.5
    expected = 2 * 0.05**2 * (127 * lids.sum() + 128 * (lids & iris).sum())
    assert float(rendered.sum(dtype=np.int64)) == pytest.approx(expected, rel=0.08)


def test_shut_eyes_hardly_show_in_a_sketch(mesh):
    def amount(height: float) -> int:
        for eye, x in ((topology.LEFT_EYE, 95), (topology.RIGHT_EYE, 161)):
            mesh[list(eye)] = _ellipse((x, 105), (14, height), len(eye))
        rendered = sketch.render_sketch(_with_irises(mesh, (0.0, 0.0), 6.0), _SIZE)
        return int(rendered[:150].sum(dtype=np.int64))

    assert amount(0.0) < 0.25 * amount(6.0)


def test_masks_scale_with_the_resolution(mesh):
    # Half a pixel at the edge is a smaller share of a larger mask.
    small, large = face_masks.eyes_mask(mesh, _SIZE), face_masks.eyes_mask(2 * mesh, 2 * _SIZE)
    assert (small > 0).mean() == pytest.approx((large > 0).mean(), rel=0.15)


def test_a_fringe_is_cut_out_and_skin_in_shadow_is_not(mesh, head):
    fringe, shadow = head.copy(), head.copy()
    fringe[_HAIRLINE:60] = _DARK_HAIR
    shadow[_HAIRLINE:60] = np.array(_SKIN) * 0.82
    assert _face(mesh, fringe)[50, 128] == 0 and _face(mesh, fringe)[70, 128] == 255
    assert _face(mesh, shadow)[50, 128] == 255


def test_light_from_one_side_is_not_hair(mesh, head):
    """The far side is half as bright; dark hair is a fifth."""
    light = np.linspace(1.1, 0.55, _SIZE)[:, None]
    lit = np.clip(head * light, 0, 255).astype(np.uint8)
    assert masks.agreement(_face(mesh, lit) > 0, _face(mesh, head) > 0) > 0.97


def test_dark_eyes_and_mouths_stay_in_the_face(mesh, head):
    head[98:112, 80:176] = _DARK_HAIR
    head[180:200, 105:150] = _DARK_HAIR
    face = _face(mesh, head)
    assert face[105, 95] == face[105, 161] == face[190, 128] == 255


def test_a_face_half_out_of_the_crop_is_masked_as_in_the_whole_crop(mesh, head):
    whole, half = _face(mesh, head), _face(mesh - [128, 0], np.roll(head, -128, 1))
    assert masks.agreement(half[:, :100] > 0, whole[:, 128:228] > 0) > 0.95
    assert not _face(mesh + 1000, head).any()


@pytest.mark.parametrize("source", MaskSource)
def test_beyond_the_edge_of_the_frame_there_is_no_face(samples, source):
    """The last pixels of the frame repeat there. The mask keeps a margin for a blend's feather."""
    image = masks.read_photo(samples, "obama_partial_face.jpg")
    one = _sample(image, *masks.PHOTOS["obama_partial_face.jpg"][0])
    face = Masker(source)(one.crop, one.landmarks, one.image, one.transform)["face"][..., 0]
    columns = np.flatnonzero((face > 0).any(0))
    edge = one.transform[0, 2]
    assert edge > 60 and edge - 0.035 * _SIZE < columns.min() < edge


def test_masks_made_in_threads_are_the_same(samples):
    some = [sample for sample, _ in zip(masks.photos(samples), range(4), strict=False)]
    masker = Masker()

    def face(sample: Sample) -> np.ndarray:
        return masker(sample.crop, sample.landmarks, sample.image, sample.transform)["face"]

    with futures.ThreadPoolExecutor(4) as pool:
        for one, other in zip(pool.map(face, some * 3), map(face, some * 3), strict=True):
            np.testing.assert_array_equal(one, other)


def test_agreement_with_the_face_parser(samples, default, parser):
    """28 faces in 13 photos; the bar is 0.88, the hull of the mesh alone reaches 0.83."""
    photos = list(masks.photos(samples))
    agreements = [masks.agreement(default(one), parser(one)) for one in photos]
    assert len(agreements) == 28
    assert np.median(agreements) >= 0.92 and np.mean(agreements) >= 0.90
    # Fair hair over a cheek in warm light; a bowed head behind its hair.
    assert min(agreements) >= 0.70
    hulls = [masks.agreement(masks.hull(one), parser(one)) for one in photos]
    assert np.median(agreements) > np.median(hulls) + 0.08


def test_the_mask_of_a_full_profile_contains_the_face_alone(samples, default):
    image = masks.read_photo(samples, "sample2.jpg")
    face = default(_sample(image, 452, 296, 356, -2))
    cheek, eye, nose, forehead = (140, 130), (128, 102), (103, 116), (130, 72)
    assert all(_at(face, cheek, eye, nose, forehead))
    before_brow, before_chin, fingers = (96, 80), (85, 170), (60, 140)
    hair, ear, neck = (190, 90), (195, 122), (150, 200)
    assert not any(_at(face, before_brow, before_chin, fingers, hair, ear, neck))


def test_closed_eyes_and_a_hand_over_the_face_are_in_the_mask(samples, default, parser):
    """The parser agrees about the hand; beside the face the hand is cut off."""
    frames = {
        frame.index: frame.image
        for frame in video_reader.read_frames(
            samples / "WolfgangLanger_Pexels.mp4", video_reader.Span(0.0, 5.02, every=24)
        )
    }
    closed = _sample(frames[24], 457, 219, 384, -2)
    hand = _sample(frames[120], 446, 244, 351, 2)
    face = default(closed)
    assert masks.agreement(face, parser(closed)) > 0.93
    eyes = face_masks.eyes_mask(closed.landmarks, _SIZE)[..., 0] > 0
    assert (eyes & face).sum() > 0.98 * eyes.sum()

    face = default(hand)
    assert masks.agreement(face, parser(hand)) > 0.88
    wrist, hair, cheek, fingers = (60, 200), (40, 70), (180, 150), (125, 120)
    assert _at(face, wrist, hair, cheek, fingers) == [False, False, True, True]


def test_masks_are_steady_over_time(samples, default, parser):
    """From frame to frame the masks change no more than those of the parser."""
    pairs = list(masks.clip(samples / "single_face.mp4", video_reader.Span(0, 1.0), stride=10))

    def steadiness(make) -> float:
        neighbours = zip(pairs[::2], pairs[1::2], strict=True)
        return np.median([masks.agreement(make(one), make(other)) for one, other in neighbours])

    ours = steadiness(default)
    assert ours > 0.985 and ours > steadiness(parser) - 0.004


def test_the_parser_labels_the_parts_of_a_face(samples):
    sample = next(masks.photos(samples))
    to_view = similarity.widen_transform(sample.transform, _SIZE, 1.6, bisenet.INPUT_SIZE)
    labels = bisenet.parse(warp.warp_crop(sample.image, to_view, bisenet.INPUT_SIZE))
    to_labels = similarity.widen_transform(np.eye(2, 3), _SIZE, 1.6, bisenet.INPUT_SIZE)
    label_at = {
        name: labels[tuple(similarity.apply(to_labels, points.mean(0)).round().astype(int)[::-1])]
        for name, points in {
            "left eye": sample.landmarks[list(topology.LEFT_EYE)],
            "right eye": sample.landmarks[list(topology.RIGHT_EYE)],
            "nose": sample.landmarks[[4]],
            "mouth": sample.landmarks[[13, 14]],
            "cheek": sample.landmarks[[50]],
            "hair": sample.landmarks[[10]] - [0, 20],
            "background": np.array([[10.0, 10.0]]),
        }.items()
    }
    assert label_at["left eye"] in (4, 5) and label_at["right eye"] in (4, 5)
    assert label_at["nose"] == 10 and label_at["mouth"] == 11
    assert label_at["cheek"] == 1 and label_at["hair"] == 17
    assert label_at["background"] == 0


def test_a_checkpoint_that_names_anything_but_tensors_is_refused(tmp_path):
    class Malicious:
        def __reduce__(self):
            return (exec, ("raise SystemExit",))

    harmless = b"".join(pickle.dumps(part) for part in (torch_checkpoint._MAGIC, 1001, {}))
    path = tmp_path / "x.pth"
    path.write_bytes(harmless + pickle.dumps(Malicious()))
    with pytest.raises(pickle.UnpicklingError, match=r"builtins\.exec"):
        torch_checkpoint.read(path)
    path.write_bytes(pickle.dumps(0))
    with pytest.raises(pickle.UnpicklingError, match="no checkpoint of torch"):
        torch_checkpoint.read(path)


def test_the_error_about_missing_parser_weights_names_their_licence():
    absent = weights.WeightFile(
        "no-such-package", "1.0", "x", "0" * 64, weights.BISENET.licence, "parsing", True
    )
    with pytest.raises(InputError, match=r"make weights-noncommercial.*non-commercial research"):
        weights.locate(absent)
