"""Reporting: the parts that every HTML report shares.

The page template, plots as inline SVG and images as inline JPEG, so that a report is one file.
Knows nothing of what the reports are about.
"""

__all__ = ("html_page", "svg_plots", "thumbnails")
