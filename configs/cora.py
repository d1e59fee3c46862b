"""GAT on Cora, as in the paper's table 2: 83.0 +- 0.7 % over 100 runs.

    python -m experiments.train --config=configs/cora.py
    python -m experiments.train --config=configs/cora.py --config.num_seeds=10

RESULTS
"""

from ml_collections import config_dict

from configs import base


def get_config() -> config_dict.ConfigDict:
  """Two layers: 8 heads x 8 features with ELU, then one head for 7 classes."""
  config = base.get_config()
  config.dataset.name = 'cora'
  config.dataset.normalize_features = True  # rows of features sum to 1
  return config
