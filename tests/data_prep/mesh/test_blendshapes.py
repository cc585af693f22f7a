"""Expressions read from real meshes."""

import numpy as np
import pytest

from data_prep.media import video_reader
from data_prep.mesh import expression, face_mesh
from data_prep.mesh.blendshapes import COUNT, JAW_OPEN, Blendshapes


@pytest.fixture(scope="module")
def meshes(samples):
    """A man who talks, 24 frames of 20 seconds: `[24, 478, 2]`."""
    mesh, region = face_mesh.FaceMesh(), face_mesh.Region(np.array([180.0, 144.0]), 250.0, 0.0)
    frames = video_reader.read_frames(
        samples / "franck.webm", video_reader.Span(0, 20, every=21), exact=False
    )
    return np.stack([mesh(frame.image, region).points[:, :2] for frame in frames])


def test_they_are_52_shares(meshes):
    shapes = Blendshapes()(meshes[0])
    assert shapes.shape == (COUNT,) and shapes.dtype == np.float32
    assert shapes.min() >= 0 and shapes.max() <= 1


def test_size_and_place_do_not_matter(meshes):
    read = Blendshapes()
    assert read(3 * meshes[0] + 50) == pytest.approx(read(meshes[0]), abs=1e-3)


def test_the_jaw_opens_with_the_mouth(meshes):
    read = Blendshapes()
    jaw = np.array([read(mesh)[JAW_OPEN] for mesh in meshes])
    assert np.corrcoef(jaw, expression.mouth_openings(meshes))[0, 1] > 0.8
