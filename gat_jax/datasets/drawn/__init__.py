"""Graphs that are drawn, and need no file."""
