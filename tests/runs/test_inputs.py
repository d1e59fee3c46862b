"""What all hosts of a run must have in common."""

from fixtures import small_dataset
import pytest

from configs import base
from gat_jax import graphs
from gat_jax import training
from gat_jax.errors import ConfigError
from gat_jax.runs import inputs
from gat_jax.runs.observers import Observer


class Alone(training.Hosts):
  """Keeps what it says; with what another one has said, it is two."""

  said = other = None

  def gather(self, value):
    self.said = value
    return [self.other or value, value]


def test_parts_are_the_same_on_all_hosts(monkeypatch):
  monkeypatch.setattr(inputs, 'load_dataset', lambda *_: small_dataset())
  config = base.get_config()
  config.mesh.nodes = 2
  hosts = Alone()
  inputs.load_on_all(config, Observer(), hosts)
  hosts.other = hosts.said
  inputs.load_on_all(config, Observer(), hosts)
  deal = graphs.deal_nodes
  monkeypatch.setattr(graphs, 'deal_nodes', lambda *of: 1 - deal(*of))
  with pytest.raises(ConfigError, match='other parts on host 1 than on host 0'):
    inputs.load_on_all(config, Observer(), hosts)
