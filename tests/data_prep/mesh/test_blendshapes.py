"""Expression coefficients of real meshes."""

import numpy as np
import pytest

from data_prep.media import video_reader
from data_prep.mesh import expression, face_mesh
from data_prep.mesh.blendshapes import COUNT, JAW_OPEN, Blendshapes


@pytest.fixture(scope="module")
def meshes(samples):
    """Meshes of a man who talks, 24 frames of 20 seconds: `[24, 478, 2]`."""
    mesh, region = face_mesh.FaceMesh(), face_mesh.Region(np.array([180.0, 144.0]), 250.0, 0.0)
    frames = video_reader.read_frames(
        samples / "franck.webm", video_reader.Span(0, 20, every=21), exact=False
    )
    return np.stack([mesh(frame.image, region).points[:, :2] for frame in frames])


def test_there_are_52_coefficients_in_0_to_1(meshes):
    coefficients = Blendshapes()(meshes[0])
    assert coefficients.shape == (COUNT,) and coefficients.dtype == np.float32
    assert coefficients.min() >= 0 and coefficients.max() <= 1


def test_size_and_position_of_the_face_do_not_matter(meshes):
    network = Blendshapes()
    assert network(3 * meshes[0] + 50) == pytest.approx(network(meshes[0]), abs=1e-3)


def test_the_jaw_coefficient_grows_with_the_mouth_opening(meshes):
    network = Blendshapes()
    jaw = np.array([network(mesh)[JAW_OPEN] for mesh in meshes])
    assert np.corrcoef(jaw, expression.mouth_opening_in_eye_distances(meshes))[0, 1] > 0.8
