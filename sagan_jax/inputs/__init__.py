"""Inputs of the networks from an aligned crop, identical in training and in conversion.

From a crop, its masks and its landmarks to the generator's input: the face alone, normalised by the
person's colours, and a sketch of eyes and mouth. Nothing here knows where crops come from or what
becomes of the output.
"""

__all__ = ("generator_input", "identity_stats", "push_pull", "retargeting", "sketch")
