"""Graphs that are a part of a whole: on one of many devices, or sampled."""
