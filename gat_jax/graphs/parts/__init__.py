"""Graphs that are a part of a whole: on one of many devices, or sampled."""

from gat_jax.graphs.parts.part import Exchange as Exchange
from gat_jax.graphs.parts.part import Part as Part
