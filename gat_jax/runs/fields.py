"""The one table of a config's fields: what each means, may be and decides.

The fields of `config.dataset` besides its name belong to the data set: see
`gat_jax.datasets.options`.
"""

from collections.abc import Callable
import dataclasses
import enum
from typing import Any

import numpy as np

from gat_jax import graphs
from gat_jax import nn
from gat_jax.training import early_stopping


class Role(enum.Enum):
  """What depends on a field."""

  PROGRAM = enum.auto()  # the result, and the program that is compiled
  ARGUMENT = enum.auto()  # the result; the program takes it as an argument
  REPLICA = enum.auto()  # which seeds are trained
  # Where and how a run is executed; its result does not change, or by last bits
  # alone. A run may be continued with another value.
  EXECUTION = enum.auto()


@dataclasses.dataclass(frozen=True)
class Field:
  """A field of a config.

  Attributes:
    default: what a new config has.
    about: what it means.
    holds: whether a value can be used.
    wanted: in words, what can be used.
    role: what depends on it.
    choices: the values by name, where there are only some.
  """

  default: Any
  about: str
  holds: Callable[[Any], bool]
  wanted: str
  role: Role = Role.PROGRAM
  choices: tuple[str, ...] = ()


def _whole(default: int, low: int, about: str, role=Role.PROGRAM) -> Field:
  def holds(value: Any) -> bool:
    return (
      isinstance(value, int)
      and not isinstance(value, bool)
      and low <= value < 2**31
    )

  return Field(
    default, about, holds, f'a whole number from {low} to 2**31 - 1', role
  )


def _number(
  default: float,
  wanted: str,
  fits: Callable[[float], bool],
  about: str,
  role: Role = Role.PROGRAM,
) -> Field:
  def holds(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and fits(value)

  return Field(default, about, holds, wanted, role)


def _choice(
  default: str, choices: tuple[str, ...], about: str, role=Role.PROGRAM
) -> Field:
  wanted = f'one of {", ".join(choices)}'
  return Field(default, about, lambda v: v in choices, wanted, role, choices)


def _switch(default: bool, about: str) -> Field:
  return Field(default, about, lambda v: isinstance(v, bool), 'True or False')


FIELDS: dict[str, Field] = {
  'data_dir': Field(
    None,
    'where the files are; None looks in $GAT_JAX_DATA, data/, ../shared/data/'
    " and the user's cache folder, then downloads",
    lambda v: v is None or isinstance(v, str),
    'a folder, or None',
    Role.EXECUTION,
  ),
  'dataset.name': Field(
    None,
    'which data set; your own is in tables, or in the .npz file of this path',
    lambda v: isinstance(v, str) and v != '',
    'the name of a data set or the path of an .npz file',
  ),
  'seed': _whole(
    0, 0, 'the first seed; the others count up from it', Role.REPLICA
  ),
  'num_seeds': _whole(
    1, 1, 'how many seeds are trained, by one program', Role.REPLICA
  ),
  'seed_loop': _choice(
    'auto',
    ('auto', 'map', 'vmap'),
    'how a device goes through its seeds: one after the other (map) or all at'
    ' once (vmap), which rounds differently; auto is map on a CPU, else vmap;'
    ' where the training set is divided into batches, or devices share a graph,'
    ' it is always map',
    Role.EXECUTION,
  ),
  'mesh.runs': _whole(
    0,
    0,
    'devices over which seeds are spread, and trials of a sweep that share a'
    ' program; 0 takes as many as there are',
    Role.EXECUTION,
  ),
  'mesh.batch': _whole(
    0,
    0,
    'devices among which the graphs of a batch are dealt, at most as many as'
    ' it has; 0 takes what `mesh.runs` leaves of accelerators and of hosts, and'
    ' on one CPU 1',
    Role.EXECUTION,
  ),
  'mesh.nodes': _whole(
    0, 0, 'devices that share one graph; 0 is 1', Role.EXECUTION
  ),
  'mesh.partitioner': _choice(
    'metis',
    tuple(graphs.PARTITIONERS),
    'who deals the nodes of a graph to the devices that share it: metis cuts'
    ' few edges and needs the package pymetis; ranges takes nodes as they come',
    Role.EXECUTION,
  ),
  'max_epochs': _whole(
    100_000, 1, 'epochs after which a seed ends in any case', Role.ARGUMENT
  ),
  'patience': _whole(
    100, 1, 'epochs without a new best that end a seed', Role.ARGUMENT
  ),
  'stop_rule': _choice(
    'both',
    early_stopping.RULES,
    'what a new best is: validation score or loss (both, as the authors), the'
    ' score, the loss; none trains to the last epoch and keeps its parameters',
  ),
  'compare_rules': _switch(
    False, 'tell what each other stop_rule would have kept'
  ),
  'log_every': _whole(
    20, 1, 'epochs between two lines in the log', Role.EXECUTION
  ),
  'checkpoint_minutes': _number(
    5.0,
    'at least 0 and finite',
    lambda v: 0 <= v < 1e30,
    'minutes of training between two checkpoints, which a kill may cost',
    Role.EXECUTION,
  ),
  'batch_size': _whole(0, 0, 'graphs a step; 0 takes all at once'),
  'batch_shapes': _whole(
    6, 1, 'sizes that batches are padded to, each compiled'
  ),
  'sampler.fan_outs': Field(
    (),
    'neighbours that are sampled of a node, for each layer from the first to'
    ' the last, as in 10,10; none trains on whole graphs',
    lambda v: (
      isinstance(v, list | tuple)
      and all(type(n) is int and 1 <= n < 2**31 for n in v)
    ),
    'whole numbers from 1 on, one for each layer, or none',
  ),
  'sampler.batch_size': _whole(
    1024, 1, 'training nodes a step, where neighbours are sampled'
  ),
  'sampler.workers': _whole(
    2,
    0,
    'threads that sample ahead of training; 0 samples when a batch is due',
    Role.EXECUTION,
  ),
  'sampler.validate_every': _whole(
    1,
    1,
    'epochs between two validations, where neighbours are sampled; each applies'
    ' the model to whole graphs',
  ),
  'optimizer': _choice(
    'adam',
    ('adam', 'adamw'),
    'adam has L2 in the gradient, as the paper; adamw decays the weights',
  ),
  'learning_rate': _number(
    5e-3,
    'above 0 and finite',
    lambda v: 0 < v < 1e30,
    'of Adam',
    Role.ARGUMENT,
  ),
  'weight_decay': _number(
    5e-4,
    'at least 0 and finite',
    lambda v: 0 <= v < 1e30,
    'lambda of lambda / 2 |v|^2, over all variables',
    Role.ARGUMENT,
  ),
  'adam_epsilon': _number(
    1e-8,
    'from 1e-30 to below 1e30',
    lambda v: 1e-30 <= v < 1e30,
    'what Adam adds to the root of the second moment; where gradients are'
    ' smaller than it, steps are as well',
    Role.ARGUMENT,
  ),
  'model.name': _choice(
    'gat', tuple(nn.LAYERS), 'the layer that the model is made of'
  ),
  'model.num_layers': _whole(2, 1, 'layers, the output layer among them'),
  'model.num_heads': _whole(8, 1, 'K of the hidden layers, joined'),
  'model.hidden_dim': _whole(8, 1, "F' of each hidden head"),
  'model.num_output_heads': _whole(1, 1, 'K of the output layer, averaged'),
  'model.dropout_rate': _number(
    0.6,
    'from 0 to below 1',
    lambda v: bool(0 <= v < 1 and np.float32(v) < 1),
    'of inputs, attention and values',
    Role.ARGUMENT,
  ),
  'model.residual': _switch(
    False, 'a skip connection from the second layer on'
  ),
  'model.edge_block': _whole(
    0, 0, 'edges that are aggregated at a time; 0 chooses'
  ),
  'model.compute_dtype': _choice(
    'float32',
    ('float32', 'bfloat16'),
    'of the factors of products; bfloat16 is for accelerators',
  ),
  'model.edge_features': _switch(
    True, 'use the features of edges, where the data have any'
  ),
  'model.projection_bias': _switch(
    True, 'b_s and b_r of W_s h + b_s and W_r h + b_r (gatv2 only)'
  ),
  'model.share_weights': _switch(
    False, 'one W and b for senders and receivers (gatv2 only)'
  ),
  # The authors' code has no switches for these; the defaults are its own.
  'model.shared_input_dropout': _switch(
    False, 'one input mask for all heads, instead of one each'
  ),
  'model.value_dropout': _switch(True, 'drop z after the scores were computed'),
  'model.score_bias': _switch(True, 'b_r and b_s in the scores (gat only)'),
  'model.fused_fan': _switch(
    False, "Glorot fan (F, K F') of all heads, instead of (F, F') of each"
  ),
}

# Fields that configs of version 0.1.0 did not name, and the value that all of
# its runs had. With that value, and where they change nothing, they are left
# out of what is compared, so that its folders can be continued; and a folder
# without one is read with it.
UNNAMED_IN_0_1: dict[str, Any] = {
  'adam_epsilon': 1e-8,
  'mesh.runs': 0,
  'mesh.batch': 0,
  'mesh.nodes': 0,
  'mesh.partitioner': 'metis',
  'sampler.fan_outs': (),
  'sampler.batch_size': 1024,
  'sampler.workers': 2,
  'sampler.validate_every': 1,
  'model.edge_features': True,
  'model.projection_bias': False,
  'model.share_weights': False,
  'dataset.train_per_class': 20,
  'dataset.num_val': 150,
  'dataset.loop_features': 'mean',
  'dataset.edges': '',
  'dataset.nodes': '',
  'dataset.id_column': '',
  'dataset.label_column': 'label',
  'dataset.split_column': 'split',
  'dataset.leave_out': '',
  'dataset.train_fraction': 0.6,
  'dataset.val_fraction': 0.2,
  'dataset.split_seed': 0,
  'dataset.scale_columns': False,
}
