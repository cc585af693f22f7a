"""Blends a swapped crop into the planes of its frame."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from data_prep.imaging import similarity
from data_prep.media.coded_frame import CodedFrame, Place
from sagan_jax.rendering.render_settings import Blend

# Bands coarser than an eighth of the face would carry its colour far beyond its edge.
_MAX_BANDS = 3
# Below this opacity, what the bands carry across the edge fades out.
_BAND_FADE = 0.2
# Pixels around the visible face, which the bands and the Poisson solver read as well.
_MARGIN = 16


@dataclasses.dataclass(frozen=True)
class Layer:
    """A face at the place and the scale it has in one plane of a frame.

    Attributes:
      place: rows and columns of the plane; empty where nothing is visible.
      face: `[h, w(, 3)]` float32, levels of the plane.
      alpha: `[h, w]` float32, 0..1, opacity of the face.
      scene: like `face`, levels of the plane before the swap.
    """

    place: Place
    face: np.ndarray
    alpha: np.ndarray
    scene: np.ndarray


def visible_part(
    shape: tuple[int, ...], alpha: np.ndarray, transform: np.ndarray, margin: float = _MARGIN
) -> Place:
    """Rows and columns of a plane in which some of a crop is visible.

    Args:
      shape: shape of the plane, height and width first.
      alpha: `[S, S]` opacity of the crop.
      transform: `[2, 3]` from pixels of the plane to those of `alpha`.
      margin: pixels of the plane to add around the visible part.
    """
    left, top, width, height = cv2.boundingRect((alpha > 0).astype(np.uint8))
    if not width:
        return slice(0, 0), slice(0, 0)
    right, bottom = left + width - 1, top + height - 1
    box = np.array([[left, top], [right, top], [left, bottom], [right, bottom]])
    corners = similarity.apply(similarity.inverse(transform), box)
    limits = np.array(shape[1::-1])
    low = np.clip(np.floor(corners.min(0) - margin), 0, limits).astype(int)
    high = np.clip(np.ceil(corners.max(0) + margin) + 1, 0, limits).astype(int)
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def warped(image: np.ndarray, transform: np.ndarray, place: Place) -> np.ndarray:
    """Resamples a crop at the pixels of one part of a plane, `[h, w(, C)]` float32.

    Args:
      image: `[S, S(, C)]` float32, the crop, continued beyond its border.
      transform: `[2, 3]` from pixels of the plane to those of the crop.
      place: rows and columns of the part.
    """
    rows, columns = place
    local = transform.copy()
    local[:, 2] += local[:, :2] @ [columns.start, rows.start]
    extent = columns.stop - columns.start, rows.stop - rows.start
    if not min(extent):  # OpenCV refuses to make an empty image
        return np.zeros((extent[1], extent[0], *image.shape[2:]), np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, local, extent, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def to_layers(
    crop: np.ndarray, alpha: np.ndarray, transform: np.ndarray, frame: CodedFrame
) -> list[Layer]:
    """Brings the visible part of a crop to every plane of its frame.

    Args:
      crop: `[R, R, 3]` float32 in 0..1.
      alpha: `[S, S]` float32, 0..1, opacity of the same crop; 0 on its border.
      transform: `[2, 3]` from pixels of the frame to those of `alpha`.
      frame: frame that the crop belongs to.
    """
    layers: list[Layer] = []
    for index, levels in enumerate(frame.coding.levels(crop)):
        plane_transform, plane = frame.coding.plane_transform(index, transform), frame.planes[index]
        if index == 2:  # both chroma planes have the same geometry
            place, opacity = layers[1].place, layers[1].alpha
        else:
            place = visible_part(plane.shape, alpha, plane_transform)
            opacity = warped(alpha, plane_transform, place)
        # Crop and mask may differ in resolution.
        to_crop = similarity.resize_transform(plane_transform, len(alpha), len(crop))
        face = warped(levels, to_crop, place)
        layers.append(Layer(place, face, opacity, plane[place].astype(np.float32)))
    return layers


def blend(layer: Layer, method: Blend, max_level: int) -> np.ndarray:
    """Blends the face of a layer into its scene; where alpha is 0 the scene stays unchanged.

    Args:
      layer: face and scene of one plane.
      method: how the edge is hidden.
      max_level: highest level of the plane.

    Returns:
      Like `layer.scene`, levels of the plane.
    """
    scene = layer.scene
    if not scene.size:
        return scene
    if method is Blend.MULTI_BAND:
        return _mix(scene, _multi_band(layer), np.minimum(layer.alpha / _BAND_FADE, 1.0))
    face = _poisson(layer, max_level) if method is Blend.POISSON else layer.face
    return _mix(scene, face, layer.alpha)


def _multi_band(layer: Layer) -> np.ndarray:
    """Mixes every band of details over an edge of its own width."""
    bands = min(int(np.log2(max(min(layer.alpha.shape), 8))) - 3, _MAX_BANDS)
    # The widest edge has to end within the mask.
    edge = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * 2**bands + 1,) * 2)
    return _splined(layer.face, layer.scene, cv2.erode(layer.alpha, edge), bands)


def _splined(face: np.ndarray, scene: np.ndarray, alpha: np.ndarray, bands: int) -> np.ndarray:
    """Mixes Laplacian pyramids of so many bands, recursively from the finest one."""
    if bands <= 0:
        return _mix(scene, face, alpha)
    coarse_face, coarse_scene = cv2.pyrDown(face), cv2.pyrDown(scene)
    coarse = _splined(coarse_face, coarse_scene, cv2.pyrDown(alpha), bands - 1)
    size = alpha.shape[1::-1]
    fine_face = face - cv2.pyrUp(coarse_face, dstsize=size)
    fine_scene = scene - cv2.pyrUp(coarse_scene, dstsize=size)
    return cv2.pyrUp(coarse, dstsize=size) + _mix(fine_scene, fine_face, alpha)


def _mix(scene: np.ndarray, face: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Linear interpolation from scene to face by `[h, w]` opacity."""
    return scene + (alpha if face.ndim == 2 else alpha[..., None]) * (face - scene)


def _poisson(layer: Layer, max_level: int) -> np.ndarray:
    """Face with the levels of the scene along its edge; computed in 8 bits, as OpenCV does."""
    mask = np.zeros(layer.alpha.shape, np.uint8)
    # The solver needs a border to take levels from.
    mask[1:-1, 1:-1] = (layer.alpha[1:-1, 1:-1] > 0.5) * np.uint8(255)
    if not mask.any():
        return layer.scene
    # OpenCV moves the centre of the mask's bounding box to the given point: here, to itself.
    left, top, width, height = cv2.boundingRect(mask)
    centre = (left + width // 2, top + height // 2)
    face, scene = (_three_channels(part * (255 / max_level)) for part in (layer.face, layer.scene))
    cloned = cv2.seamlessClone(face, scene, mask, centre, cv2.NORMAL_CLONE)
    levels = (cloned if layer.scene.ndim == 3 else cloned[..., 0]).astype(np.float32)
    return levels * (max_level / 255)


def _three_channels(levels: np.ndarray) -> np.ndarray:
    """Rounds one or three channels of levels in 0..255 to three channels of uint8."""
    rounded = np.clip(np.round(levels), 0, 255).astype(np.uint8)
    return rounded if rounded.ndim == 3 else cv2.merge([rounded] * 3)
