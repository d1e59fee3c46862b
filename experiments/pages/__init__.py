"""What experiments.report shows: measures, charts, and the page of them."""
