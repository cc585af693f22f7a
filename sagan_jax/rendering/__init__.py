"""Target frames to swapped frames, with a trained generator.

Data flow: crop, generate (`swapper`), harmonise with the scene, blend into the planes of the frame
(`renderer`). Knows neither data sets nor training, and needs none of the libraries for training.
"""

__all__ = ("alpha", "colour_transfer", "render_settings", "renderer", "swapper")
