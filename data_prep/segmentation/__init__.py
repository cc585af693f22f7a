"""Segmentation: a face crop and its mesh to masks of the face, the eyes and the mouth.

`face_masks` combines the mesh with a person segmenter and a colour model, or with a face parser.
Sees one crop at a time and knows nothing of tracks or videos.
"""

__all__ = ("face_masks", "mask_source")
