r"""GAT on a graph of your own; gat_jax/datasets/npz.py says what a file holds.

python -m experiments.train --config=configs/custom.py \
        --config.dataset.name=path/to/graph.npz
"""

from ml_collections import config_dict

from configs import base


def get_config() -> config_dict.ConfigDict:
  """The paper's model for citation networks."""
  config = base.get_config('graph.npz')
  config.dataset.name = config_dict.placeholder(str)  # yours
  config.dataset.normalize_features = False  # rows of features sum to 1
  config.dataset.directed = False  # keep edges one-way
  config.dataset.loop_features = 'mean'  # of self-loops, or a number
  return config
