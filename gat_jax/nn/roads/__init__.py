"""Implementations of the operations on edges, and the choice among them."""
