"""Runs that take a second: an MLP of one layer on a hundred nodes."""

from configs import smoke


def make_config(**fields):
  """That of smoke.py, made small, and changed as the fields say."""
  config = smoke.get_config()
  config.dataset.num_nodes = 100
  config.dataset.train_per_class = 5
  config.dataset.num_val = 30
  config.model.name = 'mlp'
  config.model.num_layers = 1
  config.log_every = 10
  config.update_from_flattened_dict(fields)
  return config
