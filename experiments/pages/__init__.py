"""What experiments.report shows: measures, charts, and the page of them."""

__all__ = ['drawing', 'page', 'reproduction', 'run', 'sweep']
