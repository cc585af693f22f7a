"""Face detection: frames in, boxes with five points and a score out.

Each frame is searched by itself: nothing here knows about time, meshes or identities.
"""

__all__ = ("mtcnn",)
