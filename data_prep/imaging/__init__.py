"""Pure functions on images, points and boxes: NumPy arrays in, NumPy arrays out.

Transforms between frames and crops, the sampling of crops, the filling of polygons, measures of
sharpness. Nothing here knows a video, a network or a face, beyond the points of its mesh.
"""

__all__ = ("boxes", "rasterise", "sharpness", "similarity", "warp")
