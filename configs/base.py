"""What all configs start from: the paper's recipe, as its authors ran it.

The other files of this folder change what their data set needs. Every field can
be set on the command line as well, as in --config.model.num_heads=4; `python -m
experiments.train --help` lists and explains them all, as does the table in
gat_jax/runs/fields.py that they come from.
"""

from ml_collections import config_dict

from gat_jax.runs import settings


def get_config(dataset: str | None = None) -> config_dict.ConfigDict:
  """The recipe of Velickovic et al., ICLR 2018, for citation networks.

  Args:
    dataset: its name, or the path of an .npz file; config.dataset then has all
      fields of that data set.

  Returns:
    A locked config: assigning a field that is not there is an error.
  """
  return settings.default_config(dataset)


def get_hyper(hyper):
  """Heads x hidden features of the hidden layer x seeds."""
  return hyper.product(
    hyper.sweep('model.num_heads', [1, 2, 4, 8]),
    hyper.sweep('model.hidden_dim', [4, 8, 16, 32]),
    hyper.sweep('seed', range(10)),
  )
