"""Preparation: the videos of one person to that person's data set.

`prepare` runs one worker process per video, each of which finds the person, filters the crops and
writes a part; the parts are linked into one data set with a report. Knows pipeline and data sets,
but nothing of training.
"""

__all__ = ("prepare",)
