"""The real trackers, offline: what a person finds there afterwards."""

import json
import signal
import struct

import cluster
import commands
import pytest
import small_tracked
from small_tracked import FLAGS

small_tracked.need('mlflow', 'wandb')
# MLflow and what it uses warn of each other.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings('ignore')]


@pytest.fixture
def offline(environment, tmp_path):
  """No account, no network, everything below one folder."""
  return environment | {
    'WANDB_MODE': 'offline',
    'WANDB_DIR': str(tmp_path),
    'MLFLOW_TRACKING_URI': f'sqlite:///{tmp_path}/mlflow.db',
  }


@pytest.fixture
def store(tmp_path):
  """MLflow's, which takes seconds to be made."""
  import mlflow

  client = mlflow.MlflowClient(f'sqlite:///{tmp_path}/mlflow.db')
  client.create_experiment('gat_jax')


def records(data):
  """The records of a file of W&B: a log as LevelDB writes it, in blocks."""
  assert data[:4] == b':W&B'
  position, parts = 7, b''
  while len(data) - position >= 7:
    left = 32768 - position % 32768
    if left < 7:
      position += left  # too little for a header
      continue
    _, length, kind = struct.unpack('<IHB', data[position : position + 7])
    parts += data[position + 7 : position + 7 + length]
    position += 7 + length
    if kind in (1, 4):  # whole, or its last part
      yield parts
      parts = b''


def wandb_runs(folder):
  """What the files of W&B hold, a run each."""
  from wandb.proto import wandb_internal_pb2

  def read(items):
    return {
      item.key or '/'.join(item.nested_key): json.loads(item.value_json)
      for item in items
    }

  found = []
  for path in sorted(folder.glob('wandb/offline-run-*/*.wandb')):
    run = {'config': {}, 'history': [], 'summary': {}}
    for data in records(path.read_bytes()):
      record = wandb_internal_pb2.Record()
      record.ParseFromString(data)
      if record.HasField('run'):
        run |= {'id': record.run.run_id, 'name': record.run.display_name}
        run['group'] = record.run.run_group
        run['config'] |= read(record.run.config.update)
      run['config'] |= read(record.config.update)
      run['summary'] |= read(record.summary.update)
      if record.HasField('history'):
        run['history'].append(read(record.history.item))
      if record.HasField('exit'):
        run['exit_code'] = record.exit.exit_code
    found.append(run)
  return found


def mlflow_runs(folder):
  import mlflow

  client = mlflow.MlflowClient(f'sqlite:///{folder}/mlflow.db')
  (experiment,) = [
    e for e in client.search_experiments() if e.name == 'gat_jax'
  ]
  return client, client.search_runs([experiment.experiment_id])


def seeds_of(workdir):
  return json.loads((workdir / 'results.json').read_text())['seeds']


def test_an_interrupted_run_goes_on_in_mlflow_and_as_another_in_wandb(
  store, offline, tmp_path
):
  workdir = tmp_path / 'run'
  flags = (
    *FLAGS,
    '--track=wandb,mlflow',
    f'--workdir={workdir}',
    '--config.checkpoint_minutes=0',
    '--config.max_epochs=3000',
  )
  process = commands.start(offline, 'train', *flags)
  commands.wait_for(lambda: (workdir / 'wandb.json').exists())
  commands.wait_for(lambda: (workdir / 'mlflow.json').exists())
  process.send_signal(signal.SIGINT)
  done = commands.finish(process)
  assert done.returncode == 130, done.stderr + done.stdout
  (first,) = wandb_runs(tmp_path)
  assert first['summary']['status'] == 'interrupted'
  assert first['config']['learning_rate'] > 0
  _, (found,) = mlflow_runs(tmp_path)
  assert found.info.status == 'KILLED'

  quickly = '--config.checkpoint_minutes=60'
  done = commands.run(offline, 'train', *flags, quickly)
  assert done.returncode == 0, done.stderr + done.stdout
  (seed,) = seeds_of(workdir)
  second = next(r for r in wandb_runs(tmp_path) if r['id'] != first['id'])
  assert second['config']['continues'] == first['id']
  assert second['history'][0]['epoch'] > 10
  client, (found,) = mlflow_runs(tmp_path)
  assert found.info.status == 'FINISHED'
  assert found.data.metrics['final/test_score'] == pytest.approx(seed['test'])
  assert second['summary']['final/test_score'] == pytest.approx(seed['test'])
  curve = client.get_metric_history(found.info.run_id, 'val_score')
  assert curve[0].step == 10


def test_a_finished_run_gets_more_seeds(store, offline, tmp_path):
  workdir = tmp_path / 'run'
  flags = (*FLAGS, '--track=wandb,mlflow', f'--workdir={workdir}')
  done = commands.run(offline, 'train', *flags, '--config.num_seeds=2')
  assert done.returncode == 0, done.stderr
  assert 'warning' not in done.stdout
  (first,) = wandb_runs(tmp_path)
  seeds = seeds_of(workdir)
  for name, key in (('test', 'test_score'), ('val', 'val_score')):
    mean = sum(seed[name] for seed in seeds) / 2
    assert first['summary'][f'final/{key}'] == pytest.approx(mean)
  assert [row['epoch'] for row in first['history']] == [10, 20, 30]
  lines = [*map(json.loads, (workdir / 'metrics.jsonl').open())]
  for line in lines:
    row = first['history'][line['epoch'] // 10 - 1]
    for name in ('train_loss', 'val_loss', 'val_score'):
      assert row[f'seed_{line["seed"]}/{name}'] == line[name]

  again = commands.run(offline, 'train', *flags, '--config.num_seeds=2')
  assert again.returncode == 0, again.stderr
  assert len(wandb_runs(tmp_path)) == 1  # nothing was trained

  done = commands.run(offline, 'train', *flags, '--config.num_seeds=3')
  assert done.returncode == 0, done.stderr
  first, second = sorted(
    wandb_runs(tmp_path), key=lambda run: 'continues' in run['config']
  )
  assert second['config']['continues'] == first['id']
  seeds = seeds_of(workdir)
  mean = sum(seed['test'] for seed in seeds) / 3
  assert second['summary']['final/test_score'] == pytest.approx(mean)
  client, (found,) = mlflow_runs(tmp_path)
  assert found.info.status == 'FINISHED'
  assert found.data.metrics['final/test_score'] == pytest.approx(mean)
  assert found.data.metrics['final/num_seeds'] == 3
  assert found.data.params['model.name'] == 'mlp'
  for seed in seeds:
    name = f'seed_{seed["seed"]}/val_loss'
    curve = client.get_metric_history(found.info.run_id, name)
    assert [point.step for point in curve] == [10, 20, 30]


@pytest.mark.parametrize('engine', ['local', 'slurm'])
def test_every_trial_of_a_sweep_is_sent(engine, store, offline, tmp_path):
  workdir = tmp_path / 'heads'
  flags = (
    *FLAGS,
    '--sweep=learning_rate=0.01,0.02',
    '--seeds=2',
    '--track=wandb,mlflow',
    f'--workdir={workdir}',
  )
  if engine == 'slurm':
    with cluster.running() as variables:
      done = commands.run(
        offline | variables, 'sweep', *flags, '--engine=slurm'
      )
  else:
    done = commands.run(offline, 'sweep', *flags, '--workers=2')
  assert done.returncode == 0, done.stderr + done.stdout
  assert 'warning' not in done.stdout
  trials = {path.name: path for path in workdir.glob('trials/*')}
  assert len(trials) == 4
  in_wandb = {run['name']: run for run in wandb_runs(tmp_path)}
  _, found = mlflow_runs(tmp_path)
  in_mlflow = {run.info.run_name: run for run in found}
  assert trials.keys() == in_wandb.keys() == in_mlflow.keys()
  for name, path in trials.items():
    (seed,) = seeds_of(path)
    one, other = in_wandb[name], in_mlflow[name]
    assert one['group'] == other.data.tags['sweep'] == 'heads'
    assert one['config']['learning_rate'] == float(
      other.data.params['learning_rate']
    )
    for values in (one['summary'], other.data.metrics):
      assert values['final/test_score'] == pytest.approx(seed['test'])
      assert values['final/val_score'] == pytest.approx(seed['val'])
      assert values['final/best_epoch'] == seed['best_epoch']
    assert [row['epoch'] for row in one['history']] == [10, 20, 30]
    assert one['exit_code'] == 0
    assert other.info.status == 'FINISHED'


def test_a_store_is_made_where_the_command_runs(offline, tmp_path):
  """By MLflow itself, so that `mlflow ui` finds it there."""
  del offline['MLFLOW_TRACKING_URI']
  (tmp_path / 'configs').symlink_to(commands.ROOT / 'configs')
  flags = (*FLAGS, '--track=mlflow', f'--workdir={tmp_path / "run"}')
  done = commands.run(offline, 'train', *flags, cwd=tmp_path)
  assert done.returncode == 0, done.stderr
  assert 'warning' not in done.stdout
  _, (found,) = mlflow_runs(tmp_path)
  assert found.info.run_name == 'run'
