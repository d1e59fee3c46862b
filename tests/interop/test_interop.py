"""Weights of PyTorch Geometric: the same outputs, and back bit for bit.

export_pyg.py wrote the arrays.
"""

import pathlib
import subprocess
import sys

from flax import nnx
import jax
from jax import numpy as jnp
import numpy as np
import pytest

from gat_jax import graphs
from gat_jax import interop
from gat_jax import nn
from gat_jax.errors import InputError

PYG = np.load(pathlib.Path(__file__).parent / 'pyg.npz')
NAMES = sorted({k.partition(':')[0] for k in PYG if k.endswith(':output')})
TAKEN = [name for name in NAMES if 'residual' not in name]
# In the first tier.
FIRST = ['gat.edges', 'gat.edges.mean', 'gatv2.edges', 'gatv2.shared', 'gcn']
outputs_of = jax.jit(lambda layer, graph: layer(graph).nodes)


def state_of(name):
  start = f'{name}:state.'
  return {k.removeprefix(start): PYG[k] for k in PYG if k.startswith(start)}


def layer_of(name, **options):
  if name in ('gat.no_bias', 'gatv2.no_bias'):
    options['average_heads'] = False
  return interop.from_pyg(state_of(name), **options)


def graph_for(layer):
  """As theirs: GATConv and GATv2Conv drop self-loops first."""
  senders, receivers = PYG['edges']
  kept = senders != receivers
  if isinstance(layer, nn.GCNLayer):
    kept[:] = True
  features = None
  if layer.edge_features:
    features = PYG['edge_attr'][kept, : layer.edge_features]
  return graphs.prepare(
    PYG['x'],
    senders[kept],
    receivers[kept],
    duplicates='keep',
    edge_features=features,
  )


def assert_same_weights(found, expected):
  assert found.keys() == expected.keys()
  for key, value in expected.items():
    np.testing.assert_array_equal(found[key], value, err_msg=key)
    assert found[key].dtype == np.float32
    assert found[key].shape == value.shape


@pytest.mark.parametrize(
  'name',
  [
    name if name in FIRST else pytest.param(name, marks=pytest.mark.slow)
    for name in TAKEN
  ],
)
def test_the_same_weights_give_the_same_outputs(name):
  """On a hub, an isolated node, edges that are there twice, self-loops."""
  layer = layer_of(name)
  assert layer.activation is None
  assert layer.edge_features == (
    1 if name == 'gatv2.no_bias' else 8 if 'edges' in name else 0
  )
  assert getattr(layer, 'share_weights', False) == ('shared' in name)
  assert layer.average_heads == ('mean' in name)
  np.testing.assert_allclose(
    outputs_of(layer, graph_for(layer)),
    PYG[f'{name}:output'],
    rtol=1e-5,
    atol=1e-5,
  )


@pytest.mark.parametrize('name', TAKEN)
def test_there_and_back_is_bit_for_bit(name):
  state = state_of(name)
  bias = 'no_bias' not in name
  layer = layer_of(name)
  assert_same_weights(interop.to_pyg(layer, bias=bias), state)
  whole = {f'conv1.{key}': value for key, value in state.items()}
  assert_same_weights(interop.to_pyg(layer, bias=bias, prefix='conv1.'), whole)
  options = {'average_heads': layer.average_heads}
  again = interop.from_pyg(
    whole | {'conv2.weight': np.ones(3)}, prefix='conv1.', **options
  )
  assert nnx.graphdef(again) == nnx.graphdef(layer)
  jax.tree.map(
    np.testing.assert_array_equal, nnx.state(again), nnx.state(layer)
  )
  # With a bias, which is what theirs have unless told otherwise.
  with_bias = interop.to_pyg(layer)
  assert with_bias['bias'].shape == (
    (3,) if 'mean' in name or 'gcn' in name else (12,)
  )
  if not bias:
    np.testing.assert_array_equal(
      outputs_of(interop.from_pyg(with_bias), graph_for(layer)),
      outputs_of(layer, graph_for(layer)),
    )


def test_what_has_numpy_is_taken_and_options_are_passed_on():
  class Tensor:
    def __init__(self, array):
      self._array = array

    def numpy(self):
      return self._array

  state = state_of('gat.edges')
  tensors = {key: Tensor(value) for key, value in state.items()}
  layer = interop.from_pyg(
    tensors, dropout_rate=0.5, activation=nn.elu, rngs=nnx.Rngs(0)
  )
  assert layer.dropout_rate == 0.5
  assert layer.activation is nn.elu
  assert layer(graph_for(layer)).nodes.shape == (26, 12)
  assert_same_weights(interop.to_pyg(layer), state)
  jax_arrays = {key: jnp.asarray(value) for key, value in state.items()}
  assert_same_weights(interop.to_pyg(interop.from_pyg(jax_arrays)), state)


def test_a_layer_of_ours_goes_there():
  """Without score biases, and with heads whose biases differ."""
  layer = nn.GATLayer(
    5,
    3,
    4,
    score_bias=False,
    average_heads=True,
    activation=None,
    edge_features=8,
    rngs=nnx.Rngs(0),
  )
  layer.bias[...] = np.arange(12.0, dtype=np.float32).reshape(4, 3)
  state = interop.to_pyg(layer)
  np.testing.assert_allclose(state['bias'], [4.5, 5.5, 6.5])
  graph = graph_for(layer)
  np.testing.assert_allclose(
    outputs_of(interop.from_pyg(state), graph),
    outputs_of(layer, graph),
    rtol=1e-5,
    atol=1e-6,
  )


def test_a_gcn_of_several_heads_is_one_of_as_many_features():
  layer = nn.GCNLayer(5, 3, 4, activation=None, rngs=nnx.Rngs(0))
  layer.bias[...] += np.arange(12.0, dtype=np.float32).reshape(4, 3)
  again = interop.from_pyg(interop.to_pyg(layer))
  graph = graph_for(layer)
  np.testing.assert_allclose(
    outputs_of(again, graph), outputs_of(layer, graph), rtol=1e-6, atol=1e-6
  )


def test_weights_of_older_versions():
  state = state_of('gat')
  weight = state.pop('lin.weight')
  twice = {'lin_src.weight': weight, 'lin_dst.weight': weight}
  expected = state | {'lin.weight': weight}
  for old in (twice, {'lin_src.weight': weight}):
    assert_same_weights(interop.to_pyg(interop.from_pyg(state | old)), expected)
  twice['lin_dst.weight'] = weight + 1
  with pytest.raises(InputError, match=r'^c\.lin_dst\.weight: .* counterpart'):
    interop.from_pyg(
      {f'c.{k}': v for k, v in (state | twice).items()}, prefix='c.'
    )


GAT, GATV2 = state_of('gat.edges'), state_of('gatv2.edges')


def without(state, *keys):
  return {key: value for key, value in state.items() if key not in keys}


REFUSED = {
  'residual': (
    state_of('gat.residual'),
    {},
    r'^res\.weight: .* no counterpart; make the layer with `residual=False`',
  ),
  'unknown': (
    GATV2 | {'x.y': np.ones(1)},
    {},
    r'^x\.y: this weight of a GATv2',
  ),
  'none': ({}, {}, r'^state_dict: the keys \[\] are of no GATConv'),
  'another': (
    {'lin_l.weight': np.ones((3, 2)), 'lin_r.weight': np.ones((3, 2))},
    {},
    "'lin_r.weight'] are of no GATConv, GATv2Conv or GCNConv",
  ),
  'no prefix': (
    {f'conv1.{k}': v for k, v in GAT.items()},
    {},
    'the `prefix` of its keys',
  ),
  'missing': (without(GAT, 'att_dst'), {}, '^att_dst: missing, and a GATConv'),
  'half': (without(GAT, 'att_edge'), {}, '^att_edge: missing'),
  'other half': (without(GAT, 'lin_edge.weight'), {}, r'^lin_edge\.weight: mi'),
  'one bias': (without(GATV2, 'lin_r.bias'), {}, r'^lin_r\.bias: missing'),
  'heads': (without(GAT, 'bias'), {}, '^average_heads: without `bias`'),
  'not averaged': (GAT, {'average_heads': True}, '^bias: of shape .*=True'),
  'bias': (GAT | {'bias': np.ones(5)}, {}, r'^bias: of shape \(5,\) for 4 hea'),
  'shape': (
    GAT | {'att_dst': np.ones((1, 4, 2))},
    {},
    r'^att_dst: of shape \(1, 4, 2\); it must be \(1, 4, 3\)',
  ),
  'axes': (GAT | {'lin.weight': np.ones(60)}, {}, r'^lin\.weight: of shape'),
  'sign': (GAT | {'att_src': np.ones(12)}, {}, r'^att_src: of shape \(12,\)'),
  'kernel': (
    GAT | {'lin.weight': np.ones((13, 5))},
    {},
    r'it must be \(12, 5\)',
  ),
  'edge': (GAT | {'lin_edge.weight': np.ones(8)}, {}, r'^lin_edge\.weight: of'),
  'integers': (GAT | {'bias': np.ones(12, int)}, {}, '^bias: of int64'),
  'text': (GAT | {'bias': 'none'}, {}, '^bias: of <U4'),
  'not shared': (GATV2, {'share_weights': True}, '`lin_l` and `lin_r` differ'),
  'no option': (GAT, {'share_weights': False}, 'GATConv has no such option'),
}


@pytest.mark.parametrize('name', REFUSED)
def test_what_has_no_counterpart_is_refused_by_name(name):
  state, options, message = REFUSED[name]
  with pytest.raises(InputError, match=message):
    interop.from_pyg(state, **options)


def test_a_tensor_that_is_no_array_is_named():
  class OnGpu:
    def numpy(self):
      raise TypeError("can't convert cuda:0 device type tensor to numpy")

  with pytest.raises(InputError, match=r'^bias: no array .*cuda:0.*\.cpu\(\)'):
    interop.from_pyg(GAT | {'bias': OnGpu()})


OURS = {
  'score_bias': (
    nn.GATLayer,
    {},
    r'scores have biases \(`score_bias`\), so no',
  ),
  'residual': (nn.GATv2Layer, {'residual': True}, 'its skip connection'),
  'activation': (
    nn.GATv2Layer,
    {'average_heads': True},
    'its activation comes',
  ),
  'averaged': (
    nn.GCNLayer,
    {'average_heads': True, 'activation': None},
    'it averages heads',
  ),
  'const_gat': (nn.ConstGATLayer, {}, 'ConstGATLayer has no counterpart'),
  'mlp': (nn.MLPLayer, {}, 'MLPLayer has no counterpart'),
}


@pytest.mark.parametrize('name', OURS)
def test_what_theirs_cannot_do_is_refused(name):
  layer_type, options, message = OURS[name]
  layer = layer_type(5, 3, 4, rngs=nnx.Rngs(0), **options)
  if name == 'score_bias':
    interop.to_pyg(layer)  # zeros are as good as none
    layer.sender_bias[...] += 1
  with pytest.raises(InputError, match=message):
    interop.to_pyg(layer)


def test_a_bias_is_not_left_out_unless_it_is_zero():
  for name in ('bias', 'sender_bias'):
    layer = nn.GATv2Layer(5, 3, 4, rngs=nnx.Rngs(0))
    assert 'bias' not in interop.to_pyg(layer, bias=False)
    getattr(layer, name)[...] += 1
    with pytest.raises(InputError, match=f'`{name}` is not zero'):
      interop.to_pyg(layer, bias=False)


@pytest.mark.slow
def test_torch_is_not_imported():
  code = 'import sys, gat_jax.interop; assert "torch" not in sys.modules'
  subprocess.run([sys.executable, '-c', code], check=True)
