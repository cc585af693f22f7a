"""Landmark numbers of the MediaPipe face mesh, by part of the face.

The mesh has 478 points: 468 of the face and five for each iris. Left and right are as they appear
in the image of an upright face (left = smaller x). Landmark numbers are written here and nowhere
else; the two exceptions are templates, which give coordinates to each landmark they use
(`crop_alignment`, `identity.embeddings`), and the input order of the blendshape network.
"""

from __future__ import annotations

# Single points.
FOREHEAD_TOP = 10
CHIN = 152
NOSE_TIP = 4

# Pairs, left before right.
OUTER_EYE_CORNERS = (33, 263)
MOUTH_CORNERS = (61, 291)
INNER_MOUTH_CORNERS = (78, 308)
# Where the outline of the face passes the ears.
FACE_SIDES = (234, 454)

# Left and right corner of the left eye, then of the right eye.
EYE_CORNERS = ((33, 133), (362, 263))

# Middle of the upper and of the lower lip, where a closed mouth closes.
INNER_LIP_MIDDLES = (13, 14)

# Points of each eye's aspect ratio: the outer corner, two points of the upper lid, the inner
# corner, two of the lower lid.
EYE_ASPECT_POINTS = ((33, 160, 158, 133, 153, 144), (263, 387, 385, 362, 380, 373))

# Landmarks whose mean is one of the five points of a detector, in the order of
# `records.Detection.points`: left eye, right eye, nose, left and right mouth corner.
FIVE_POINTS = (*EYE_CORNERS, (NOSE_TIP,), *((corner,) for corner in MOUTH_CORNERS))

# Points of each iris: the centre first, then four on the edge.
IRISES = (range(468, 473), range(473, 478))

# Contours, in order around the shape.
LEFT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
RIGHT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
LIPS = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
)  # fmt: skip
INNER_LIPS = (
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191,
)  # fmt: skip
FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip

# Upper edge of the brows, from the left of the face to its right.
LEFT_BROW = (70, 63, 105, 66, 107)
RIGHT_BROW = (336, 296, 334, 293, 300)

# Upper part of the face oval, from temple to temple over the forehead.
FOREHEAD_ARCH = (127, 162, 21, 54, 103, 67, 109, 10, 338, 297, 332, 284, 251, 389, 356)

# Regions of the face, as the points of which each is the convex hull.
# From the brows to the chin.
FACE_CENTRE = (105, 334, 33, 263, 61, 291, 17, 152, 4, 6, 205, 425)
# Where no hair is expected but a beard is.
CHEEKS = (50, 205, 425, 280, 197, 36, 266, 187, 411, 123, 352, 4, 9)
# Without the forehead, over which hair may hang: jaw, cheeks, brows, tip of the nose.
BELOW_FOREHEAD = (
    127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288,
    361, 323, 454, 356, 70, 105, 107, 336, 334, 300, 1, 4,
)  # fmt: skip
