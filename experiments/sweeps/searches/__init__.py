"""Searches: Optuna chooses combinations, and ends those that do badly.

search    what is chosen next, and how it ended
study     the file that remembers it
pruning   the observer that reports scores and ends a group early
"""

__all__ = ['pruning', 'search', 'study']
