"""GAT on a drawn graph: trains in seconds and needs no file.

    python -m experiments.train --config=configs/smoke.py

Expect a test accuracy of about 76 %, within ten seconds.
"""

from ml_collections import config_dict

from configs import base


def get_config() -> config_dict.ConfigDict:
  """The paper's model on a contextual stochastic block model."""
  config = base.get_config()
  config.dataset = config_dict.ConfigDict()
  config.dataset.name = 'csbm'
  config.dataset.num_nodes = 600
  config.dataset.num_classes = 4
  config.dataset.num_features = 32
  config.dataset.average_degree = 10.0  # neighbours of a node
  config.dataset.homophily = 0.8  # fraction of edges within a class
  config.dataset.signal = 1.2  # length of a class centre; the noise has 1
  config.dataset.seed = 0  # of the draw
  config.max_epochs = 300
  return config
