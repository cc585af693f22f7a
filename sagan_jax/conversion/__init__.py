"""Converts videos and images with a trained model, and records what was made of what.

Data flow: `jobs` plans which file becomes which; the faces of a target are found and selected
(`target_faces`), rendered, marked as synthetic and written; `sidecar` is the record beside the
output. Knows neither data sets nor training, and parses no flags.
"""

__all__ = ("contact_sheet", "convert_settings", "convert_video", "jobs", "render_setup", "sidecar")
