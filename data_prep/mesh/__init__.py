"""The face mesh of one image: reading its 478 points, and what follows from them alone.

A detection or an earlier mesh gives a region of the frame, the network reads the mesh there, and
pose, expression and the transform to an aligned crop are computed from its points. Nothing here
knows about video, identity or masks.
"""

__all__ = ("blendshapes", "crop_alignment", "expression", "face_mesh", "topology")
