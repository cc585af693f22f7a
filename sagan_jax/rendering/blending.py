"""A swapped crop into its picture."""

from __future__ import annotations

import dataclasses
import enum

import cv2
import numpy as np

from data_prep.imaging import similarity
from data_prep.media.coded_frame import CodedFrame, Place

# Coarser bands than an eighth of the face would carry its colour far beyond its edge.
_MAX_BANDS = 3
# Where less than this is shown, what the bands bring across the edge fades out.
_BAND_FADE = 0.2
# Pixels around what is shown: the bands and the solver look beyond it.
_MARGIN = 16


class Blend(enum.StrEnum):
    """How the edge between face and scene is hidden.

    ALPHA mixes by the feathered mask. MULTI_BAND mixes coarse details over a wide and fine
    ones over a narrow edge (Burt and Adelson, "A Multiresolution Spline With Application to
    Image Mosaics", 1983). POISSON keeps the gradients of the face and takes the colour of its
    edge from the scene (Perez et al., "Poisson Image Editing", 2003; OpenCV).
    """

    ALPHA = "alpha"
    MULTI_BAND = "multi_band"
    POISSON = "poisson"


@dataclasses.dataclass(frozen=True)
class Layer:
    """A face at the place and the scale it has in one plane of a picture.

    Attributes:
      place: rows and columns of the plane; empty where nothing is shown.
      face: `[h, w(, 3)]` float32, levels of the plane.
      alpha: `[h, w]` float32, 0..1, how much of it is shown.
      scene: like `face`, what is there before.
    """

    place: Place
    face: np.ndarray
    alpha: np.ndarray
    scene: np.ndarray


def visible_part(
    shape: tuple[int, ...], alpha: np.ndarray, transform: np.ndarray, margin: float = _MARGIN
) -> Place:
    """The part of a plane in which something of a crop is shown.

    Args:
      shape: of the plane, height and width first.
      alpha: `[S, S]` of the crop.
      transform: `[2, 3]` from pixels of the plane to those of `alpha`.
      margin: pixels of the plane to be seen around it.
    """
    left, top, width, height = cv2.boundingRect((alpha > 0).astype(np.uint8))
    if not width:
        return slice(0, 0), slice(0, 0)
    right, bottom = left + width - 1, top + height - 1
    box = np.array([[left, top], [right, top], [left, bottom], [right, bottom]])
    points = similarity.apply(similarity.inverse(transform), box)
    limits = np.array(shape[1::-1])
    low = np.clip(np.floor(points.min(0) - margin), 0, limits).astype(int)
    high = np.clip(np.ceil(points.max(0) + margin) + 1, 0, limits).astype(int)
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def warped(image: np.ndarray, transform: np.ndarray, place: Place) -> np.ndarray:
    """What a part of a plane shows of a crop, `[h, w(, C)]` float32.

    Args:
      image: `[S, S(, C)]` float32, the crop, continued beyond its border.
      transform: `[2, 3]` from pixels of the plane to those of the crop.
      place: the part.
    """
    rows, columns = place
    local = transform.copy()
    local[:, 2] += local[:, :2] @ [columns.start, rows.start]
    extent = columns.stop - columns.start, rows.stop - rows.start
    if not min(extent):
        return np.zeros((extent[1], extent[0], *image.shape[2:]), np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, local, extent, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def to_layers(
    crop: np.ndarray, alpha: np.ndarray, transform: np.ndarray, picture: CodedFrame
) -> list[Layer]:
    """A crop brought to every plane of its picture, as far as it is shown.

    Args:
      crop: `[R, R, 3]` float32 in 0..1.
      alpha: `[S, S]` float32, 0..1, of the same crop; 0 on its border.
      transform: `[2, 3]` from pixels of the picture to those of `alpha`.
      picture: which.
    """
    layers: list[Layer] = []
    for index, levels in enumerate(picture.coding.levels(crop)):
        of_plane, plane = picture.coding.of_plane(index, transform), picture.planes[index]
        if index == 2:  # where the other chroma is
            place, shown = layers[1].place, layers[1].alpha
        else:
            place = visible_part(plane.shape, alpha, of_plane)
            shown = warped(alpha, of_plane, place)
        of_crop = similarity.resize_transform(of_plane, len(alpha), len(crop))
        face = warped(levels, of_crop, place)
        layers.append(Layer(place, face, shown, plane[place].astype(np.float32)))
    return layers


def blend(layer: Layer, method: Blend, deepest: int) -> np.ndarray:
    """The plane with the face in it; as it was where alpha is 0.

    Args:
      layer: of the plane.
      method: how the edge is hidden.
      deepest: the highest level of the plane.

    Returns:
      Like `layer.scene`, levels of the plane.
    """
    scene = layer.scene
    if not scene.size:
        return scene
    if method is Blend.MULTI_BAND:
        return _between(scene, _multi_band(layer), np.minimum(layer.alpha / _BAND_FADE, 1.0))
    face = _cloned(layer, deepest) if method is Blend.POISSON else layer.face
    return _between(scene, face, layer.alpha)


def _multi_band(layer: Layer) -> np.ndarray:
    """Every band of details mixed over an edge of its own width."""
    bands = min(int(np.log2(max(min(layer.alpha.shape), 8))) - 3, _MAX_BANDS)
    # The widest edge has to end within the mask.
    edge = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * 2**bands + 1,) * 2)
    return _splined(layer.face, layer.scene, cv2.erode(layer.alpha, edge), bands)


def _splined(face: np.ndarray, scene: np.ndarray, alpha: np.ndarray, bands: int) -> np.ndarray:
    if bands <= 0:
        return _between(scene, face, alpha)
    coarse_face, coarse_scene = cv2.pyrDown(face), cv2.pyrDown(scene)
    below = _splined(coarse_face, coarse_scene, cv2.pyrDown(alpha), bands - 1)
    size = alpha.shape[1::-1]
    fine_face = face - cv2.pyrUp(coarse_face, dstsize=size)
    fine_scene = scene - cv2.pyrUp(coarse_scene, dstsize=size)
    return cv2.pyrUp(below, dstsize=size) + _between(fine_scene, fine_face, alpha)


def _between(scene: np.ndarray, face: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return scene + (alpha if face.ndim == 2 else alpha[..., None]) * (face - scene)


def _cloned(layer: Layer, deepest: int) -> np.ndarray:
    """The face with the levels of the scene along its edge; to 8 bits, as OpenCV solves it."""
    mask = np.zeros(layer.alpha.shape, np.uint8)
    # The solver needs a border to take levels from.
    mask[1:-1, 1:-1] = (layer.alpha[1:-1, 1:-1] > 0.5) * np.uint8(255)
    if not mask.any():
        return layer.scene
    left, top, width, height = cv2.boundingRect(mask)
    centre = (left + width // 2, top + height // 2)
    face, scene = (_three_channels(one * (255 / deepest)) for one in (layer.face, layer.scene))
    cloned = cv2.seamlessClone(face, scene, mask, centre, cv2.NORMAL_CLONE)
    return (cloned if layer.scene.ndim == 3 else cloned[..., 0]).astype(np.float32) * (
        deepest / 255
    )


def _three_channels(levels: np.ndarray) -> np.ndarray:
    """Of one or three, as uint8."""
    rounded = np.clip(np.round(levels), 0, 255).astype(np.uint8)
    return rounded if rounded.ndim == 3 else cv2.merge([rounded] * 3)
