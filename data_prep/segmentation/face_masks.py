"""Binary masks of the face, the eyes and the mouth.

The face reaches from chin and jaw to the hairline: the hull of the mesh, which is right along
the jaw at any yaw, with the forehead lifted well above where the mesh ends; of this what the
segmenter calls background and what has the colour of the hair is cut out. A hand before the
face stays in: it has the colour of the face, and MediaPipe's hand landmarks, tried on a clip
with one, found it in 6 of 16 frames, at 8 ms each. (The face parser leaves it in too.)
"""

from __future__ import annotations

import enum

import cv2
import numpy as np

from data_prep import weights
from data_prep.imaging import similarity, warp
from data_prep.imaging.rasterise import dilate, fill, hull
from data_prep.mesh.topology import LEFT_EYE, LIPS, RIGHT_EYE
from data_prep.segmentation import bisenet, skin_colour
from data_prep.segmentation.person_segmenter import PersonSegmenter

# Eyes and brows, each with its brow.
_EYES_WITH_BROWS = (
    (*LEFT_EYE, 70, 63, 105, 66, 107),
    (*RIGHT_EYE, 336, 296, 334, 293, 300),
)
# From the brows to the chin, and where no hair is expected but a beard is.
_MIDDLE = (105, 334, 33, 263, 61, 291, 17, 152, 4, 6, 205, 425)
_CHEEKS = (50, 205, 425, 280, 197, 36, 266, 187, 411, 123, 352, 4, 9)
# From temple to temple over the forehead.
_BROW_ARCH = (127, 162, 21, 54, 103, 67, 109, 10, 338, 297, 332, 284, 251, 389, 356)

# Of the height of the mesh. Of 28 faces the highest hairline is 0.27 above it, the median 0.14.
_LIFT = 0.3
# Side at which colours are compared. At 96 the mean agreement with a face parser is 0.002
# higher, and the time 1 ms longer.
_COLOUR_SIZE = 64
# In pixels of that side: the steps of the coarse grid would show.
_SOFTENING = 1.0
# Of the side: so far beyond the edge of the frame a mask goes on, so that the feather of a
# blend ends outside of the picture.
_BEYOND_FRAME = 0.03
# The parser was trained on faces that fill half of the picture; in a crop they fill more.
_PARSER_VIEW = 1.6
# Lids and the corners of the eye matter as much as the eyeball.
_EYE_MARGIN = 0.02
# Heights of the mesh below its top: hair beside the chin is there, and clothes are not.
_SHOULDERS = -0.65
# Of the side: how far from where the mesh says the parser may see the face.
_PARSER_MARGIN = 0.1


class MaskSource(enum.StrEnum):
    """What the mask of the face is made with; the value is what settings and cards say."""

    MESH = "mesh"
    BISENET = "bisenet"

    @property
    def weights(self) -> tuple[weights.WeightFile, ...]:
        """The models it uses beside the face mesh."""
        return (weights.BISENET if self is MaskSource.BISENET else weights.SELFIE_SEGMENTER,)


class Masker:
    """Makes the masks of crops, in any number of threads; loads its network when it must.

    Args:
      source: what the mask of the face is made with.
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
        """The three masks of one face, as `AlignedFace.masks` holds them.

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
    """Chin to hairline, without hair before it.

    Args:
      crop: `[size, size, 3]` uint8 RGB.
      landmarks: `[478, 2]` crop pixels.
      person: `[size, size]` float32, probability of being a person.

    Returns:
      `[size, size]` uint8, 0 or 255, in one piece without holes.
    """
    size = crop.shape[0]
    face = fill([_extent(landmarks)], size)
    small = cv2.resize(crop, (_COLOUR_SIZE, _COLOUR_SIZE), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float32)
    shown = skin_colour.is_skin(lab, _regions(landmarks, person)).astype(np.float32)
    soft = cv2.GaussianBlur(shown, (0, 0), _SOFTENING)
    fine = cv2.resize(soft, (size, size), interpolation=cv2.INTER_CUBIC)
    return _whole(face * ((fine > 0.5) & (person > 0.5)))


def parsed_face(
    landmarks: np.ndarray, image: warp.Pixels, transform: np.ndarray, size: int
) -> np.ndarray:
    """The face as the parser sees it (`bisenet`), without the neighbours'.

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
    # The view is finer than the crop by a fourth.
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    in_crop = cv2.warpAffine(parsed, from_view, (size, size), flags=flags)
    face = dilate(fill([_extent(landmarks)], size), _PARSER_MARGIN * size)
    face[in_crop < 0.5] = 0
    _, pieces = cv2.connectedComponents(face)
    ours = np.unique(pieces[fill([hull(landmarks)], size) > 0])
    face[~np.isin(pieces, ours)] = 0
    return face


def eyes_mask(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Both eyes with their lids.

    Args:
      landmarks: `[478, 2]` crop pixels.
      size: side of the crop, pixels.

    Returns:
      `[size, size, 1]` uint8, 0 or 255.
    """
    eyes = fill([landmarks[list(LEFT_EYE)], landmarks[list(RIGHT_EYE)]], size)
    return dilate(eyes, _EYE_MARGIN * size)[..., None]


def mouth_mask(landmarks: np.ndarray, size: int) -> np.ndarray:
    """The mouth within the outer edge of the lips; as `eyes_mask`."""
    return fill([landmarks[list(LIPS)]], size)[..., None]


def _extent(landmarks: np.ndarray) -> np.ndarray:
    """How far the face can reach: the hull of the mesh with the forehead lifted, `[N, 2]`.

    The hull and not the oval: at a large yaw the nose stands out beyond the cheek.
    """
    arch = landmarks[list(_BROW_ARCH)]
    share = np.sqrt(np.sin(np.linspace(0, np.pi, len(arch))))[:, None]
    lifted = arch + _LIFT * share * _upward(landmarks)
    return hull(np.concatenate([landmarks, lifted]))


def _upward(landmarks: np.ndarray) -> np.ndarray:
    """From the chin to the top of the mesh, `[2]` pixels."""
    return landmarks[10] - landmarks[152]


def _regions(landmarks: np.ndarray, person: np.ndarray) -> skin_colour.Regions:
    """Where skin and hair are looked for, at the size at which colours are compared."""
    size = _COLOUR_SIZE
    scale = size / person.shape[0]
    points = (landmarks + 0.5) * scale - 0.5
    outlines = [hull(points[list(group)]) for group in _EYES_WITH_BROWS]
    features = cv2.dilate(fill([*outlines, points[list(LIPS)]], size), np.ones((3, 3))) > 0
    extent = fill([_extent(points)], size)
    up = _upward(points)
    height = _height_above(points[10], up, size)
    beyond = cv2.dilate(extent, np.ones((3, 3))) == 0
    is_person = cv2.resize(person, (size, size), interpolation=cv2.INTER_AREA) > 0.7
    return skin_colour.Regions(
        core=features | (fill([hull(points[list(_MIDDLE)])], size) > 0),
        cheeks=(fill([hull(points[list(_CHEEKS)])], size) > 0) & ~features,
        within=fill([hull(points)], size) > 0,
        extent=extent > 0,
        around=beyond & is_person & (height > _SHOULDERS),
        rise=np.minimum(height / _LIFT, 1),
    )


def _height_above(point: np.ndarray, up: np.ndarray, size: int) -> np.ndarray:
    """Of every pixel, in lengths of `up`, `[size, size]` float32."""
    along = np.arange(size, dtype=np.float32)
    x, y = np.meshgrid(along - point[0], along - point[1])
    return (x * up[0] + y * up[1]) / max(float(up @ up), 1e-6)


def _in_frame(image: warp.Pixels, transform: np.ndarray, size: int) -> np.ndarray:
    """Which pixels of a crop the frame shows, and a little more; `[size, size]` uint8."""
    beyond = _BEYOND_FRAME * size / similarity.scale_of(transform) + 0.5
    right, bottom = image.shape[1] - 1 + beyond, image.shape[0] - 1 + beyond
    corners = np.array([[-beyond, -beyond], [right, -beyond], [right, bottom], [-beyond, bottom]])
    return fill([similarity.apply(transform, corners)], size)


def _whole(mask: np.ndarray) -> np.ndarray:
    """The largest piece, its holes filled."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    whole = np.zeros_like(mask)
    if outlines:
        cv2.drawContours(whole, [max(outlines, key=cv2.contourArea)], -1, 255, cv2.FILLED)
    return whole
