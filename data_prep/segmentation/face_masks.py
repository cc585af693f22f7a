"""Binary masks of the face, the eyes and the mouth.

The face reaches from chin and jaw to the hairline. Its largest extent is the hull of the mesh,
which is right along the jaw at any yaw, with the forehead lifted well above where the mesh ends.
Everything that the segmenter calls background or that has the colour of the hair is cut out of it.
A hand before the face stays in: it has the colour of the face, and MediaPipe's hand landmarks,
tried on a clip with one, found it in 6 of 16 frames, at 8 ms each. (The face parser leaves it in
too.)
"""

from __future__ import annotations

import cv2
import numpy as np

from data_prep.imaging import similarity, warp
from data_prep.imaging.rasterise import convex_hull, dilate, fill_polygons
from data_prep.mesh.topology import (
    CHEEKS,
    CHIN,
    FACE_CENTRE,
    FOREHEAD_ARCH,
    FOREHEAD_TOP,
    LEFT_BROW,
    LEFT_EYE,
    LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
)
from data_prep.segmentation import bisenet, skin_colour
from data_prep.segmentation.mask_source import MaskSource
from data_prep.segmentation.person_segmenter import PersonSegmenter

# Landmarks of each eye with its brow.
_EYES_WITH_BROWS = (
    (*LEFT_EYE, *LEFT_BROW),
    (*RIGHT_EYE, *RIGHT_BROW),
)

# How far the forehead is lifted, in heights of the mesh. In 28 faces the highest hairline is 0.27
# above the mesh, the median one 0.14.
_LIFT = 0.3
# Side at which colours are compared. At 96 the mean agreement with a face parser is 0.002
# higher, and the time 1 ms longer.
_COLOUR_SIZE = 64
# Blur of the coarse mask, in its pixels: its steps would show in the crop.
_SOFTENING = 1.0
# How far a mask continues beyond the edge of the frame, as a share of the side of the crop, so that
# the feather of a blend ends outside of the frame.
_BEYOND_FRAME = 0.03
# Side of the parser's view in sides of the crop: the parser was trained on faces that fill half of
# the image, and in a crop they fill more.
_PARSER_VIEW = 1.6
# Margin around the eyes, as a share of the side: lids and corners matter as much as the eyeball.
_EYE_MARGIN = 0.02
# Lowest place to look for hair, in heights of the mesh above its top: hair may lie beside the chin,
# but clothes do not reach up there.
_SHOULDERS = -0.65
# How far the parsed face may reach beyond the mesh, as a share of the side of the crop.
_PARSER_MARGIN = 0.1


class Masker:
    """Makes the masks of crops, in any number of threads; loads its network on the first call.

    Args:
      source: source of the face mask.
    """

    def __init__(self, source: MaskSource = MaskSource.MESH):
        self._source, self._segmenter = source, PersonSegmenter()

    def __call__(
        self,
        crop: np.ndarray,
        landmarks: np.ndarray,
        image: warp.Pixels,
        transform: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """Returns the three masks of one face, as in `AlignedFace.masks`.

        Args:
          crop: `[size, size, 3]` uint8 RGB.
          landmarks: `[478, 2]` crop pixels.
          image: `[height, width, 3]` uint8 RGB, the frame.
          transform: `[2, 3]` frame to crop pixels.

        Returns:
          `face`, `eyes` and `mouth`, each `[size, size, 1]` uint8, 0 or 255.

        Raises:
          InputError: if weights are not installed.
        """
        size = crop.shape[0]
        if self._source is MaskSource.BISENET:
            face = parsed_face(landmarks, image, transform, size)
        else:
            face = face_mask(crop, landmarks, self._segmenter(crop))
        return {
            "face": cv2.bitwise_and(face, _in_frame(image, transform, size))[..., None],
            "eyes": eyes_mask(landmarks, size),
            "mouth": mouth_mask(landmarks, size),
        }


def face_mask(crop: np.ndarray, landmarks: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Returns the mask of a face from chin to hairline, without the hair before it.

    Args:
      crop: `[size, size, 3]` uint8 RGB.
      landmarks: `[478, 2]` crop pixels.
      person: `[size, size]` float32, probability of being a person.

    Returns:
      `[size, size]` uint8, 0 or 255, in one piece without holes.
    """
    size = crop.shape[0]
    face = fill_polygons([_extent(landmarks)], size)
    # Colours are compared at a low resolution, for speed.
    small = cv2.resize(crop, (_COLOUR_SIZE, _COLOUR_SIZE), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float32)
    skin = skin_colour.is_skin(lab, _regions(landmarks, person)).astype(np.float32)
    soft = cv2.GaussianBlur(skin, (0, 0), _SOFTENING)
    fine = cv2.resize(soft, (size, size), interpolation=cv2.INTER_CUBIC)
    return _largest_piece(face * ((fine > 0.5) & (person > 0.5)))


def parsed_face(
    landmarks: np.ndarray, image: warp.Pixels, transform: np.ndarray, size: int
) -> np.ndarray:
    """Returns the face mask of the parser (`bisenet`), without the faces of neighbours.

    Args:
      landmarks: `[478, 2]` crop pixels.
      image: `[height, width, 3]` uint8 RGB, the frame.
      transform: `[2, 3]` frame to crop pixels.
      size: side of the crop, pixels.

    Returns:
      `[size, size]` uint8, 0 or 255.
    """
    to_view = similarity.widen_transform(transform, size, _PARSER_VIEW, bisenet.INPUT_SIZE)
    labels = bisenet.parse(warp.warp_crop(image, to_view, bisenet.INPUT_SIZE))
    parsed = cv2.GaussianBlur(np.isin(labels, bisenet.FACE).astype(np.float32), (0, 0), 0.6)
    from_view = similarity.widen_transform(np.eye(2, 3), size, _PARSER_VIEW, bisenet.INPUT_SIZE)
    # The view is finer than the crop by a fourth: smoothed a little, it can be sampled.
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    in_crop = cv2.warpAffine(parsed, from_view, (size, size), flags=flags)
    # Farther than the margin from the mesh the parser sees somebody else.
    face = dilate(fill_polygons([_extent(landmarks)], size), _PARSER_MARGIN * size)
    face[in_crop < 0.5] = 0
    # Within the margin a neighbour is a piece that does not touch the mesh.
    _, pieces = cv2.connectedComponents(face)
    ours = np.unique(pieces[fill_polygons([convex_hull(landmarks)], size) > 0])
    face[~np.isin(pieces, ours)] = 0
    return face


def eyes_mask(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Returns the mask of both eyes with their lids.

    Args:
      landmarks: `[478, 2]` crop pixels.
      size: side of the crop, pixels.

    Returns:
      `[size, size, 1]` uint8, 0 or 255.
    """
    eyes = fill_polygons([landmarks[list(LEFT_EYE)], landmarks[list(RIGHT_EYE)]], size)
    return dilate(eyes, _EYE_MARGIN * size)[..., None]


def mouth_mask(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Returns the mask of the mouth, lips included; arguments and result as in `eyes_mask`."""
    return fill_polygons([landmarks[list(LIPS)]], size)[..., None]


def _extent(landmarks: np.ndarray) -> np.ndarray:
    """Returns the largest extent of the face: the hull of the mesh with lifted forehead, `[N, 2]`.

    It is the hull and not the oval, because at a large yaw the nose stands out beyond the cheek.
    """
    arch = landmarks[list(FOREHEAD_ARCH)]
    # The lift is zero at the temples and full in the middle.
    share = np.sqrt(np.sin(np.linspace(0, np.pi, len(arch))))[:, None]
    lifted = arch + _LIFT * share * _upward(landmarks)
    return convex_hull(np.concatenate([landmarks, lifted]))


def _upward(landmarks: np.ndarray) -> np.ndarray:
    """Returns the vector from the chin to the top of the mesh, `[2]` pixels."""
    return landmarks[FOREHEAD_TOP] - landmarks[CHIN]


def _regions(landmarks: np.ndarray, person: np.ndarray) -> skin_colour.Regions:
    """Returns where to look for skin and hair, at the size at which colours are compared."""
    size = _COLOUR_SIZE
    scale = size / person.shape[0]
    # Whole coordinates are pixel centres at both sizes.
    points = (landmarks + 0.5) * scale - 0.5
    outlines = [convex_hull(points[list(group)]) for group in _EYES_WITH_BROWS]
    features = cv2.dilate(fill_polygons([*outlines, points[list(LIPS)]], size), np.ones((3, 3))) > 0
    extent = fill_polygons([_extent(points)], size)
    up = _upward(points)
    height = _height_above(points[FOREHEAD_TOP], up, size)
    beyond = cv2.dilate(extent, np.ones((3, 3))) == 0
    is_person = cv2.resize(person, (size, size), interpolation=cv2.INTER_AREA) > 0.7
    return skin_colour.Regions(
        core=features | (fill_polygons([convex_hull(points[list(FACE_CENTRE)])], size) > 0),
        cheeks=(fill_polygons([convex_hull(points[list(CHEEKS)])], size) > 0) & ~features,
        within=fill_polygons([convex_hull(points)], size) > 0,
        extent=extent > 0,
        around=beyond & is_person & (height > _SHOULDERS),
        rise=np.minimum(height / _LIFT, 1),
    )


def _height_above(point: np.ndarray, up: np.ndarray, size: int) -> np.ndarray:
    """Returns every pixel's height above `point` in lengths of `up`, `[size, size]` float32."""
    along = np.arange(size, dtype=np.float32)
    x, y = np.meshgrid(along - point[0], along - point[1])
    return (x * up[0] + y * up[1]) / max(float(up @ up), 1e-6)


def _in_frame(image: warp.Pixels, transform: np.ndarray, size: int) -> np.ndarray:
    """Returns the mask of the pixels inside the frame and a small margin, `[size, size]` uint8."""
    beyond = _BEYOND_FRAME * size / similarity.scale_of(transform) + 0.5
    right, bottom = image.shape[1] - 1 + beyond, image.shape[0] - 1 + beyond
    corners = np.array([[-beyond, -beyond], [right, -beyond], [right, bottom], [-beyond, bottom]])
    return fill_polygons([similarity.apply(transform, corners)], size)


def _largest_piece(mask: np.ndarray) -> np.ndarray:
    """Returns the largest piece of a mask with its holes filled."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    piece = np.zeros_like(mask)
    if outlines:
        cv2.drawContours(piece, [max(outlines, key=cv2.contourArea)], -1, 255, cv2.FILLED)
    return piece
