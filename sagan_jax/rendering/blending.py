"""A swapped crop into its picture."""

from __future__ import annotations

import dataclasses
import enum

import cv2
import numpy as np

from data_prep.media.coded_frame import Picture, Place
from data_prep.mesh import crop_alignment
from sagan_jax.configs.crop_window import Framing

# The learned mask is a blurred one; only what it is sure of is shown, or the background of
# the other person's footage shines through along the jaw.
LEARNED_FROM, _LEARNED_TO = 0.3, 0.7
# Pixels to dissolve over for each by which the face goes on beyond what is drawn of it, up to the
# width that is asked for.
_DISSOLVE_PER_GAP = 4.0
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
class Edge:
    """Where the face ends.

    Attributes:
      grow: by how far what is drawn may reach beyond the face it replaces, where it is the larger
        one (negative: stay within); share of the height of the face. With 0.02 identity transfer
        rises by 0.01 to 0.025, with 0.06 by hardly more.
      feather: standard deviation of the blur of the edge, likewise. Wider, more of the replaced
        person's jaw and brow is seen: with 0.013 and no erosion instead of 0.023 and some,
        identity transfer rises by 0.02 to 0.03.
      dissolve: over how much what is drawn fades out where the face of the scene goes on beyond
        it (a forehead under another's fringe, a wider jaw), likewise. There skin meets skin, and
        what is seen is not a wide edge but the outermost pixels drawn, half hair or wall.
    """

    grow: float = 0.02
    feather: float = 0.01
    dissolve: float = 0.08


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


def alpha_of(
    face_mask: np.ndarray, learned: np.ndarray, framing: Framing, edge: Edge = Edge()
) -> np.ndarray:
    """How much of the swapped crop is shown.

    The prepared mask of the face, feathered, times what is sure of the learned one, faded out where
    that ends first.

    Args:
      face_mask: `[S, S, 1]` uint8, 0 or 255.
      learned: `[R, R, 1]` float32, 0..1.
      framing: what was learned of the crop.
      edge: where the face ends.

    Returns:
      `[S, S]` float32, 0..1; 0 on the border of the crop.
    """
    size, face = face_mask.shape[0], face_mask[..., 0]
    height = crop_alignment.FACE_HEIGHT * size
    mask = _grown(face, edge.grow * height).astype(np.float32) / 255
    feathered = cv2.GaussianBlur(mask, (0, 0), max(edge.feather * height, 1e-3))
    drawn = framing.back(learned, size)
    sure = (drawn - LEARNED_FROM) / (_LEARNED_TO - LEARNED_FROM)
    alpha = feathered * np.clip(sure, 0, 1)
    if edge.dissolve > 0:
        # Every second pixel: it is smooth.
        shown = _dissolved(face[::2, ::2] > 0, drawn[::2, ::2] >= 0.5, edge.dissolve * height / 2)
        alpha = alpha * cv2.resize(shown, (size, size), interpolation=cv2.INTER_LINEAR)
    alpha[[0, -1]] = alpha[:, [0, -1]] = 0
    return alpha


def laid_in(
    crop: np.ndarray, face_mask: np.ndarray, rgb: np.ndarray, learned: np.ndarray, framing: Framing
) -> np.ndarray:
    """What was drawn, in its surroundings as it is, without matching colours.

    Args:
      crop: `[S, S, 3]` uint8.
      face_mask: `[S, S, 1]` uint8, 0 or 255.
      rgb: `[R, R, 3]` float32, 0..1.
      learned: `[R, R, 1]` float32, 0..1.
      framing: what was drawn of the crop.

    Returns:
      `[S, S, 3]` uint8.
    """
    alpha = alpha_of(face_mask, learned, framing)[..., None]
    return to_bytes(alpha * framing.back(rgb, len(crop)) + (1 - alpha) * crop / 255)


def to_bytes(image: np.ndarray) -> np.ndarray:
    """0..1 to uint8."""
    return np.clip(np.round(255 * image), 0, 255).astype(np.uint8)


def shown_in(
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
    points = crop_alignment.apply(crop_alignment.inverse(transform), box)
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


def lay(
    crop: np.ndarray, alpha: np.ndarray, transform: np.ndarray, picture: Picture
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
            place = shown_in(plane.shape, alpha, of_plane)
            shown = warped(alpha, of_plane, place)
        of_crop = crop_alignment.resize_transform(of_plane, len(alpha), len(crop))
        face = warped(levels, of_crop, place)
        layers.append(Layer(place, face, shown, plane[place].astype(np.float32)))
    return layers


def mixed(layer: Layer, method: Blend, deepest: int) -> np.ndarray:
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


def _dissolved(face: np.ndarray, drawn: np.ndarray, width: float) -> np.ndarray:
    """0 where what is drawn ends and the face goes on, 1 from so far within; 1 where both end.

    Args:
      face: `[S, S]` bool.
      drawn: likewise. Holes in it count as drawn.
      width: pixels; less where the face does not go on for long.

    Returns:
      `[S, S]` float32.
    """
    whole, part = (
        cv2.copyMakeBorder(one.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
        for one in (face, face & drawn)
    )
    cv2.floodFill(part, None, (0, 0), 2)
    to_end, to_edge = (
        cv2.distanceTransform(one.astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
        for one in (whole, part != 2)
    )
    # Around a hole in the face its end is nearer than that of what is drawn.
    gap = cv2.GaussianBlur(np.maximum(to_end - to_edge, 0), (0, 0), width / 6)
    share = np.minimum((to_edge + 0.5) / (np.minimum(_DISSOLVE_PER_GAP * gap, width) + 0.5), 1)
    return share * share * (3 - 2 * share)  # without kinks


def _three_channels(levels: np.ndarray) -> np.ndarray:
    """Of one or three, as uint8."""
    rounded = np.clip(np.round(levels), 0, 255).astype(np.uint8)
    return rounded if rounded.ndim == 3 else cv2.merge([rounded] * 3)


def _grown(mask: np.ndarray, radius: float) -> np.ndarray:
    width = 2 * round(abs(radius)) + 1
    if width == 1:
        return mask
    ball = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    return cv2.dilate(mask, ball) if radius > 0 else cv2.erode(mask, ball)
