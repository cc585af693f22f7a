"""Identity: face chips to embeddings, and tracks to people.

`embeddings` runs `dlib_resnet` on aligned face chips; `people` clusters the tracks of a video by
the embeddings that tracking attached to them. Never reads a video.
"""

__all__ = ("dlib_resnet", "embeddings", "people")
