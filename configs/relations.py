"""GAT on a drawn graph whose classes only the features of edges tell.

    python -m experiments.train --config=configs/relations.py

Five seeds gave 100.0 +- 0.0 % in seconds on two CPU cores; without features of
edges (--config.model.edge_features=False) 24.0 +- 0.7 %, and chance is 25 %.
gat_jax/datasets/drawn/relations.py says what is drawn.
"""

from ml_collections import config_dict

from configs import base


def get_config() -> config_dict.ConfigDict:
  """One layer of four averaged heads, which is all that it takes."""
  config = base.get_config('relations')
  config.dataset.num_nodes = 600
  config.dataset.num_classes = 4  # and colours
  config.dataset.num_edge_features = 8
  config.dataset.edges_per_color = 3  # nodes of each colour that a node hears
  config.dataset.signal = 4.0  # between marked edges and others; noise has 1
  config.max_epochs = 300
  config.learning_rate = 5e-2
  config.model.num_layers = 1
  config.model.num_output_heads = 4
  config.model.dropout_rate = 0.3
  return config
