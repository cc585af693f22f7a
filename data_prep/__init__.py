"""Perception: a video in, aligned faces out."""
