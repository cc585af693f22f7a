"""Mesh and masks on a photograph that scikit-image ships: the astronaut."""

import cv2
import numpy as np
import pytest
import skimage

from data_prep.detection import mtcnn
from data_prep.imaging import similarity, warp
from data_prep.media import video_reader
from data_prep.mesh import crop_alignment, face_mesh
from data_prep.records import Detection
from data_prep.segmentation import face_masks


@pytest.fixture(scope="module")
def astronaut():
    return skimage.data.astronaut()


@pytest.fixture(scope="module")
def detection(astronaut):
    detector = mtcnn.Detector(512, 512, mtcnn.DetectorSettings(min_face_size=40, batch=1))
    (faces,) = detector(astronaut[None])
    return faces[0]


@pytest.fixture(scope="module")
def mesh(astronaut, detection):
    return face_mesh.FaceMesh()(astronaut, face_mesh.region_of_detection(detection))


def test_the_mesh_agrees_with_the_detector(mesh, detection):
    eye_distance = np.linalg.norm(detection.points[0] - detection.points[1])
    errors = np.linalg.norm(face_mesh.five_points(mesh.points[:, :2]) - detection.points, axis=-1)
    assert mesh.presence > 0.9
    assert errors.max() < 0.15 * eye_distance


def test_the_region_of_a_mesh_is_predicted_from_the_box(samples):
    """Uses photographs that the constants of the prediction were not fitted to."""
    read_mesh, errors = face_mesh.FaceMesh(), []
    photographs = [cv2.imread(str(samples / f"sample{i}.jpg"))[..., ::-1] for i in range(1, 7)]
    height, width = np.max([image.shape[:2] for image in photographs], 0).tolist()
    detect = mtcnn.Detector(height, width, mtcnn.DetectorSettings(min_face_size=60, batch=1))
    for photograph in photographs:
        image = np.zeros((height, width, 3), np.uint8)
        image[: photograph.shape[0], : photograph.shape[1]] = photograph
        for face in detect(image[None])[0]:
            mesh = read_mesh(image, face_mesh.region_of_detection(face))
            if mesh.presence > 0.5:
                region = face_mesh.mesh_region_of_detection(face)
                settled = face_mesh.region_of_mesh(mesh.points)
                shift = (settled.centre - region.centre) / region.side
                errors.append([*shift, np.log(settled.side / region.side)])
    assert len(errors) >= 15
    assert (np.abs(np.mean(errors, 0)) < [0.02, 0.01, 0.03]).all()
    assert (np.median(np.abs(errors), 0) < 0.05).all()


def test_the_predicted_region_lies_lower_along_the_face(detection):
    upright, turned = (
        face_mesh.mesh_region_of_detection(Detection(detection.box, 1.0, np.array(eyes)))
        for eyes in ([[0.0, 0], [1, 0]], [[0.0, 0], [1, 1]])
    )
    middle = detection.box.astype(float).reshape(2, 2).mean(0)
    (x, y), below = upright.centre - middle, turned.centre - middle
    assert x == 0 < y
    np.testing.assert_allclose(below, np.array([-y, y]) / np.sqrt(2))


def test_the_mesh_does_not_depend_on_where_near_the_face_it_starts(astronaut, mesh):
    settled = face_mesh.region_of_mesh(mesh.points)
    centre = settled.centre + np.array([9, -7])
    shifted = face_mesh.Region(centre, settled.side * 1.2, settled.angle + 0.2)
    again = face_mesh.FaceMesh()(astronaut, shifted)
    assert np.linalg.norm((again.points - mesh.points)[:, :2], axis=-1).mean() < 1.0


def test_presence_is_low_where_there_is_no_face(astronaut):
    flag = face_mesh.Region(np.array([60.0, 350.0]), 100.0, 0.0)
    assert face_mesh.FaceMesh()(astronaut, flag).presence < 0.5


@pytest.mark.parametrize("angle", [45, 90, 180])
def test_a_rotated_face_is_read_as_well_as_an_upright_one(astronaut, mesh, angle):
    middle = mesh.points[:, :2].mean(0).tolist()
    rotation = cv2.getRotationMatrix2D(middle, -angle, 1.0)
    truth = similarity.apply(rotation, mesh.points[:, :2])
    rotated = cv2.warpAffine(astronaut, rotation, (512, 512))
    found = face_mesh.FaceMesh()(rotated, face_mesh.region_of_mesh(truth))
    assert found.presence > 0.99
    assert np.linalg.norm(found.points[:, :2] - truth, axis=-1).mean() < 1.0
    roll = face_mesh.head_pose(found.points)[2] - face_mesh.head_pose(mesh.points)[2]
    assert abs((roll - angle + 180) % 360 - 180) < 3


def test_yaw_follows_a_head_that_turns_from_side_to_side(samples):
    """The nose moves between the ears as the head turns."""
    read_mesh, region, poses = face_mesh.FaceMesh(), None, []
    span = video_reader.Span(start_s=6.6, end_s=17.0, every=4)
    for frame in video_reader.read_frames(samples / "WolfgangLanger_Pexels.mp4", span):
        if region is None:
            region = face_mesh.Region(np.array([425.0, 195.0]), 400.0, 0.0)
        mesh = read_mesh(frame.image, region)
        region = face_mesh.region_of_mesh(mesh.points)
        left, nose, right = mesh.points[[234, 4, 454], 0]
        poses.append((face_mesh.head_pose(mesh.points)[0], (nose - left) / (right - left)))
        assert mesh.presence > 0.9
    yaw, nose = np.array(poses).T
    assert np.ptp(yaw) > 20
    assert np.corrcoef(yaw, nose)[0, 1] > 0.95


@pytest.mark.parametrize(("turn", "index"), [((0, 0, 25), 2), ((25, 0, 0), 0), ((0, 25, 0), 1)])
def test_a_turn_of_the_mesh_changes_its_angle_alike(mesh, turn, index):
    before = face_mesh.head_pose(mesh.points)
    turned = face_mesh.head_pose(mesh.points @ _rotation(*np.radians(turn)).T)
    assert turned[index] - before[index] == pytest.approx(25, abs=6)


def _rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rotation matrix, x right, y down, z away from the camera; signs as in `records.Face`."""
    c, s = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    about_y = np.array([[c[0], 0, -s[0]], [0, 1, 0], [s[0], 0, c[0]]])
    about_x = np.array([[1, 0, 0], [0, c[1], -s[1]], [0, s[1], c[1]]])
    about_z = np.array([[c[2], -s[2], 0], [s[2], c[2], 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def test_eyes_and_mouth_lie_apart_within_the_face(mesh, astronaut):
    transform = crop_alignment.face_transform(mesh.points[:, :2])
    points = similarity.apply(transform, mesh.points[:, :2])
    crop = warp.warp_crop(astronaut, transform, 256)
    masks = face_masks.Masker()(crop, points.astype(np.float32), astronaut, transform)
    face, eyes, mouth = (masks[name] > 0 for name in ("face", "eyes", "mouth"))
    for mask in masks.values():
        assert mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 255}
    assert 0.25 < face.mean() < 0.6
    assert not (eyes & ~face).any() and not (mouth & ~face).any() and not (eyes & mouth).any()
    chin, brow, hairline = (points[i].astype(int) for i in (152, 9, 10))
    assert face[chin[1] - 3, chin[0]] and not face[chin[1] + 3, chin[0]]
    # Her fringe reaches down to half of the forehead.
    assert face[brow[1], brow[0]] and not face[hairline[1] + 3, hairline[0]]


def test_hair_over_the_forehead_is_not_in_the_face_mask(mesh, astronaut):
    transform = crop_alignment.face_transform(mesh.points[:, :2])
    points = similarity.apply(transform, mesh.points[:, :2])
    crop = warp.warp_crop(astronaut, transform, 256)
    x, y = points[[9, 151]].mean(0).astype(int)
    masker, points = face_masks.Masker(), points.astype(np.float32)

    def is_face(row):
        return masker(crop, points, astronaut, transform)["face"][row, x] == 255

    assert is_face(y)
    crop[y - 8 : y + 8, x - 20 : x + 20] = (45, 30, 20)  # a dark fringe
    assert not is_face(y)
    assert is_face(y + 60)  # the nose stays
