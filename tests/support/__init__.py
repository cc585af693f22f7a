"""Clips, data sets and tiny training runs that tests share."""

import pathlib

ROOT = pathlib.Path(__file__).parents[2]
