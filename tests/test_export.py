"""An exported model gives what the model gives, without this package."""

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import venv

import commands
from commands import run
import fixtures
import jax
from jax import export as jax_export
import numpy as np
import pytest

from configs import relations
from configs import smoke
from gat_jax import default_config
from gat_jax import graphs
from gat_jax import nn
from gat_jax import runs
from gat_jax.errors import InputError
from gat_jax.runs import exports
from gat_jax.runs.exports import descriptions

OLD = pathlib.Path(__file__).parent / 'old_workdirs' / 'run.tar.gz'
GUIDE = commands.ROOT / 'docs/guides/export.md'


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  """A run of two seeds of GAT, which an earlier version trained."""
  folder = tmp_path_factory.mktemp('old')
  with tarfile.open(OLD) as archive:
    archive.extractall(folder, filter='data')
  return folder / 'run' / 'finished'


@pytest.fixture(scope='module')
def written(workdir, environment, tmp_path_factory):
  """What the command writes of it, and says."""
  folder = tmp_path_factory.mktemp('written') / 'a[' / 'b]'
  flags = (f'--workdir={workdir}', f'--output={folder}', '--attention')
  process = run(environment, 'export', *flags)
  assert process.returncode == 0, process.stderr
  return folder, process.stdout


def read(folder):
  description = json.loads((folder / 'model.json').read_text())
  content = (folder / description['artefact']).read_bytes()
  assert hashlib.sha256(content).hexdigest() == description['sha256']
  return jax_export.deserialize(bytearray(content)), description


def edges_in_any_order(graph):
  """A graph's arrays as a caller of the artefact gives them, and the order."""
  nodes = graph.nodes
  if isinstance(nodes, graphs.SparseFeatures):
    dense = np.zeros(nodes.shape, np.float32)
    np.add.at(dense, (nodes.rows, nodes.columns), nodes.values)
    nodes = dense
  order = np.random.default_rng(0).permutation(len(graph.senders))
  arrays = [nodes, graph.senders[order], graph.receivers[order]]
  if graph.edges is not None:
    arrays.append(graph.edges[order])
  return [np.asarray(array) for array in arrays], order


def probabilities(model, description, arrays):
  normalize = getattr(jax.nn, description['probabilities'])
  return normalize(model.call(*arrays)['logits'])


def test_it_gives_what_the_model_gives_in_any_order(workdir, written):
  model, description = read(written[0])
  seed, (predicted,) = runs.predict(workdir, attention=True)
  assert (seed, description['seed']) == (seed, seed)
  dataset = runs.load_dataset(runs.read_config(workdir))
  arrays, order = edges_in_any_order(dataset.train[0].graph)
  outputs = model.call(*arrays)
  assert list(outputs) == ['attention_0', 'attention_1', 'logits']
  found = jax.nn.softmax(outputs['logits'])
  np.testing.assert_allclose(found, predicted.probabilities, atol=1e-5)
  for index, layer in enumerate(predicted.attention):
    alpha = outputs[f'attention_{index}']
    np.testing.assert_allclose(alpha, layer.alpha[order], atol=1e-5)
  # Another graph; no edges at all; an edge with an end that is no node.
  features = np.ones((5, 8), np.float32)
  none = np.zeros(0, np.int32)
  alone = model.call(features, none, none)
  assert alone['logits'].shape == (5, 4)
  assert alone['attention_0'].shape == (0, 2)
  padded = model.call(features, *np.array([[-1, 0, 5], [0, 5, 5]], np.int32))
  np.testing.assert_allclose(padded['logits'], alone['logits'], atol=1e-6)


def test_description_says_what_it_takes_and_where_it_is_from(workdir, written):
  folder, output = written
  assert all(
    str(folder / name) in output for name in ('model.jaxexport', 'model.json')
  )
  assert sorted(path.name for path in folder.iterdir()) == [
    'model.jaxexport',
    'model.json',
  ]
  model, description = read(folder)
  inputs = {x['name']: (x['shape'], x['dtype']) for x in description['inputs']}
  assert inputs == {
    'features': (['N', 8], 'float32'),
    'senders': (['E'], 'int32'),
    'receivers': (['E'], 'int32'),
  }
  assert description['outputs'] == [
    {'name': 'logits', 'shape': ['N', 4], 'dtype': 'float32'},
    {'name': 'attention_0', 'shape': ['E', 2], 'dtype': 'float32'},
    {'name': 'attention_1', 'shape': ['E', 1], 'dtype': 'float32'},
  ]
  card = json.loads((workdir / 'dataset.json').read_text())
  results = json.loads((workdir / 'results.json').read_text())
  best = max(results['seeds'], key=lambda seed: seed['val'])['seed']
  assert (
    description.items()
    >= {
      'format': 1,
      'probabilities': 'softmax',
      'classes': 4,
      'prepare': {
        'scale_rows': False,
        'scale_columns': False,
        'reverse_edges': True,
        'self_loops': True,
      },
      'dataset': {'name': 'csbm', 'digest': card['digest']},
      'seed': best,
      'platforms': ['cpu', 'cuda', 'tpu'],
      'jax': jax.__version__,
    }.items()
  )
  assert description['model']['num_heads'] == 2
  assert model.platforms == ('cpu', 'cuda', 'tpu')
  assert (
    model.calling_convention_version
    == (description['calling_convention_version'])
  )
  # Of this machine it says nothing, and products are of float32 everywhere.
  assert (
    os.fsencode(commands.ROOT) not in (folder / 'model.jaxexport').read_bytes()
  )
  text = model.mlir_module()
  products = [x for x in text.splitlines() if 'stablehlo.dot_general' in x]
  assert products
  assert all('HIGHEST' in line for line in products)


def test_bad_input_is_one_error(workdir, tmp_path, monkeypatch):
  def error(workdir=workdir, seed=0, **options):
    with pytest.raises(InputError) as caught:
      runs.export(workdir, seed, **options)
    return str(caught.value)

  def damaged(name, content):
    folder = tmp_path / f'{name}-{len(list(tmp_path.iterdir()))}'
    shutil.copytree(workdir, folder)
    if content is None:
      (folder / name).unlink()
    else:
      (folder / name).write_text(content)
    return folder

  assert 'config.json: missing' in error(tmp_path)
  assert 'has no seed 7; it has 0 to 1' in error(seed=7)
  choice = 'choose some of cpu, cuda, tpu'
  assert error(platforms=['cpu', 'gpu']) == (
    f"platforms: there is no 'gpu'; {choice}"
  )
  assert error(platforms=[]) == f'platforms: there are none; {choice}'
  card = json.loads((workdir / 'dataset.json').read_text())
  assert 'dataset.json: missing' in error(damaged('dataset.json', None))
  for wrong in ([], {}, card | {'features': None}, card | {'classes': '4'}):
    folder = damaged('dataset.json', json.dumps(wrong))
    assert 'dataset.json: is no card of a data set' in error(folder)
  other = damaged('dataset.json', json.dumps(card | {'features': 9}))
  assert 'has parameters of another model' in error(other)
  shutil.rmtree(other / 'best')
  assert 'best' in error(other)
  monkeypatch.setitem(sys.modules, 'flatbuffers', None)
  assert 'do `pip install flatbuffers`' in error()


def test_what_a_run_does_not_know_or_keep_is_said(workdir):
  """PPI's card does not count pairs; one of its archives scales columns."""
  config = runs.read_config(workdir)
  card = json.loads((workdir / 'dataset.json').read_text())
  del card['edges_unique'], card['classes']
  card |= {'labels': 121, 'archive': 'graphsage', 'class_names': ['a', 'b']}
  description = descriptions.of_training(config, card)
  assert description['labels'] == 121
  assert description['probabilities'] == 'sigmoid'
  assert description['class_names'] == ['a', 'b']
  assert description['prepare']['reverse_edges'] is None
  assert description['prepare']['scale_columns']


def test_a_place_that_cannot_be_written_is_one_error(tmp_path):
  (tmp_path / 'file').touch()
  exported = exports.ExportedModel(0, b'', {})
  with pytest.raises(InputError, match='cannot be written'):
    exported.write(tmp_path / 'file' / 'folder')


def train(config, folder, name, **fields):
  """A run of two epochs; without dropout it compiles in half the time."""
  config.max_epochs = config.log_every = 2
  config.model.name = name
  config.model.dropout_rate = 0.0
  config.update_from_flattened_dict(fields)
  runs.train_and_evaluate(config, folder)
  return folder


def check(folder):
  """The export of a run gives its predictions; returns its description."""
  runs.export(folder).write(folder)
  model, description = read(folder)
  _, predicted = runs.predict(folder)
  dataset = runs.load_dataset(runs.read_config(folder))
  arrays, _ = edges_in_any_order(dataset.train[0].graph)
  found = probabilities(model, description, arrays)
  np.testing.assert_allclose(found, predicted[0].probabilities, atol=1e-5)
  return description


@pytest.mark.slow
@pytest.mark.parametrize('name', nn.LAYERS)
def test_every_model(name, tmp_path):
  config = smoke.get_config()
  fields = {'model.residual': True, 'model.num_layers': 3}
  description = check(train(config, tmp_path / 'run', name, **fields))
  assert description['model']['name'] == name


@pytest.mark.slow
def test_features_of_edges_that_training_left_out(tmp_path):
  config = relations.get_config()
  fields = {'model.edge_features': False}
  folder = train(config, tmp_path / 'run', 'gat', **fields)
  assert len(check(folder)['inputs']) == 3


@pytest.mark.slow
def test_features_of_edges(tmp_path):
  config = relations.get_config()
  fields = {'model.num_layers': 2}
  description = check(train(config, tmp_path / 'run', 'gatv2', **fields))
  assert description['inputs'][3]['name'] == 'edge_features'
  assert description['inputs'][3]['shape'] == ['E', 8]
  assert description['prepare'] == {
    'scale_rows': False,
    'scale_columns': False,
    'reverse_edges': False,
    'self_loops': True,
    'loop_features': None,
  }


@pytest.mark.slow
@pytest.mark.parametrize('directed', [False, True])
def test_a_file_of_several_labels_a_node(directed, tmp_path):
  """Sparse features are given dense; their rows had been scaled."""
  dataset = fixtures.small_dataset(multilabel=True)
  graph = dataset.train[0].graph
  n_node = len(graph.nodes)
  num_edges = len(graph.senders)
  data = np.abs(graph.nodes).astype(np.float32).ravel()
  parts = {'train': dataset.train, 'val': dataset.val, 'test': dataset.test}
  np.savez(
    tmp_path / 'graph.npz',
    edges=np.stack([graph.senders, graph.receivers], axis=1)[::3],
    features_data=data,
    features_indices=np.tile(np.arange(3), n_node),
    features_indptr=np.arange(n_node + 1) * 3,
    features_shape=np.array([n_node, 3]),
    labels=dataset.train[0].labels,
    edge_features=np.arange(num_edges)[::3] / num_edges,
    **{f'{split}_mask': parts[split][0].mask for split in parts},
  )
  config = default_config(str(tmp_path / 'graph.npz'))
  fields = {
    'dataset.normalize_features': True,
    'dataset.directed': directed,
    'dataset.loop_features': '0.5',
  }
  folder = train(config, tmp_path / 'run', 'gat', **fields)
  (tmp_path / 'graph.npz').rename(tmp_path / 'away.npz')
  runs.export(folder)  # the data are not needed
  (tmp_path / 'away.npz').rename(tmp_path / 'graph.npz')
  description = check(folder)
  assert description['probabilities'] == 'sigmoid'
  assert description['labels'] == 3
  assert description['prepare'] == {
    'scale_rows': True,
    'scale_columns': False,
    'reverse_edges': not directed,
    'self_loops': True,
    'loop_features': 0.5,
  }


@pytest.mark.slow
def test_command_refuses_with_one_line(workdir, environment, tmp_path):
  (tmp_path / 'file').touch()
  here = f'--workdir={workdir}'
  cases = {
    '--workdir is missing': (),
    'config.json: missing': (f'--workdir={tmp_path}',),
    '--seed: ': (here, '--seed=7'),
    "--platforms: there is no 'gpu'": (here, '--platforms=gpu'),
    '--platforms: there are none': (here, '--platforms='),
  }
  done = commands.run_each(environment, 'export', tmp_path, cases)
  flags = (here, f'--output={tmp_path}/file/folder')
  done['cannot be written'] = run(environment, 'export', *flags)
  for words, process in done.items():
    assert process.returncode == 2
    assert words in process.stderr
    assert len(process.stderr.splitlines()) == 1
  assert not list(workdir.glob('model*'))


@pytest.mark.slow
def test_settings_of_jax_change_nothing(workdir, environment, tmp_path):
  """Nor does the model that is exported depend on the process that does it."""
  settings = {
    'JAX_ENABLE_X64': '1',
    'JAX_NUMPY_RANK_PROMOTION': 'raise',
    'JAX_NUMPY_DTYPE_PROMOTION': 'strict',
    'JAX_DEBUG_NANS': '1',
  }
  for name, more in (('a', {}), ('b', settings)):
    flags = (f'--workdir={workdir}', f'--output={tmp_path / name}')
    process = run(environment | more, 'export', *flags)
    assert process.returncode == 0, process.stderr
  for name in ('model.jaxexport', 'model.json'):
    contents = {(tmp_path / x / name).read_bytes() for x in 'ab'}
    assert len(contents) == 1


@pytest.fixture(scope='module')
def bare_python(tmp_path_factory):
  """Python with JAX and what JAX needs to read an export, and nothing else."""
  folder = tmp_path_factory.mktemp('bare') / 'venv'
  venv.create(folder, with_pip=True)
  python = folder / 'bin' / 'python'
  done = subprocess.run(
    [
      *(python, '-m', 'pip', 'install', '--quiet'),
      *(f'jax=={jax.__version__}', 'flatbuffers'),
    ],
    capture_output=True,
    text=True,
    check=False,
  )
  if done.returncode:
    if os.environ.get('CI'):
      pytest.fail(done.stderr)
    pytest.skip('JAX cannot be installed here')
  return python


@pytest.mark.slow
def test_the_guides_program_runs_with_jax_alone(
  bare_python, environment, tmp_path, monkeypatch
):
  """Python started with -I sees neither this repository nor PYTHONPATH."""
  train_and_export, use = (
    part.partition('\n```\n')[0]
    for part in GUIDE.read_text().split('```python\n')[1:]
  )
  subprocess.run(
    [sys.executable, '-c', train_and_export],
    cwd=tmp_path,
    env=environment | {'PYTHONPATH': str(commands.ROOT)},
    check=True,
  )
  bare = {k: v for k, v in environment.items() if not k.startswith('JAX')}
  code = f'{use}\nnp.save("found.npy", probabilities)\n'
  for name in ('gat_jax', 'flax', 'jraph'):
    code += f'try:\n  import {name}\n  raise SystemExit("{name} is there")\n'
    code += 'except ImportError:\n  pass\n'
  done = subprocess.run(
    [bare_python, '-I', '-c', code],
    cwd=tmp_path,
    env=bare,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  assert done.stdout == '(90, 3)\n'
  monkeypatch.chdir(tmp_path)  # the run names its file without a folder
  _, (graph,) = runs.predict('runs/mine')
  found = np.load('found.npy')
  np.testing.assert_allclose(found, graph.probabilities, atol=1e-5)
