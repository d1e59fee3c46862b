r"""GAT on a graph of your own, in two tables or in one .npz file.

python -m experiments.train --config=configs/custom.py \
        --config.dataset.edges=edges.csv --config.dataset.nodes=nodes.csv
python -m experiments.train --config=configs/custom.py \
        --config.dataset.name=path/to/graph.npz

gat_jax/datasets/tables/ says what tables hold (CSV or Parquet), and
gat_jax/datasets/npz.py what an .npz file. Of the fields below, an .npz file has
the last three; the others belong to tables.
"""

from ml_collections import config_dict

from configs import base


def get_config() -> config_dict.ConfigDict:
  """The paper's model for citation networks."""
  config = base.get_config('tables')
  config.dataset.edges = ''  # your files
  config.dataset.nodes = ''
  config.dataset.id_column = ''  # 'id', 'node' or 'node_id', else the first
  config.dataset.label_column = 'label'
  config.dataset.split_column = 'split'  # if the nodes have it, else drawn
  config.dataset.leave_out = ''  # columns that are no features: 'zip,phone'
  config.dataset.train_fraction = 0.6  # of drawn splits
  config.dataset.val_fraction = 0.2
  config.dataset.split_seed = 0
  config.dataset.scale_columns = False  # each feature: mean 0, deviation 1
  config.dataset.normalize_features = False  # rows of features sum to 1
  config.dataset.directed = False  # keep edges one-way
  config.dataset.loop_features = 'mean'  # of self-loops, or a number
  return config
