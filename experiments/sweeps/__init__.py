"""Sweeps: combinations of fields, where they train, what they came to."""
