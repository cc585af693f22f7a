"""Indices of the 478 landmarks of the MediaPipe face mesh, by part of the face."""

from __future__ import annotations

# Contours of the MediaPipe face mesh, in order around the shape.
FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip


LIPS = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
)  # fmt: skip


INNER_LIPS = (
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191,
)  # fmt: skip


LEFT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)


RIGHT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)


# Of the left and the right eye in the picture, from left to right.
EYE_CORNERS = ((33, 133), (362, 263))


# Of the left and the right eye: the middle, then the edge.
IRISES = (range(468, 473), range(473, 478))


OUTER_CORNERS = (33, 263)
