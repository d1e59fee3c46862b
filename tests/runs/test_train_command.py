"""experiments.train as a person types it, started again and again."""

import json
import re

import commands
from commands import run
import pytest

TINY = (
  '--config=configs/smoke.py',
  '--config.dataset.num_nodes=300',
  '--config.max_epochs=40',
  '--config.model.name=mlp',
  '--config.model.dropout_rate=0.0',
  '--config.checkpoint_minutes=0',
)


def snapshot(workdir):
  return {
    path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes())
    for path in workdir.rglob('*')
  }


@pytest.mark.slow
def test_finished_run_says_so_and_gets_more_seeds(environment, tmp_path):
  workdir = tmp_path / 'k[1]/k[/b]* ä\\ %j'
  flags = (*TINY, f'--workdir={workdir}')
  first = run(environment, 'train', *flags, '--config.num_seeds=2')
  assert first.returncode == 0, first.stderr
  assert f'everything is in {workdir}; ' in first.stdout
  before = snapshot(tmp_path)
  again = run(environment, 'train', *flags, '--config.num_seeds=2')
  assert again.returncode == 0, again.stderr
  assert 'seeds 0 to 1 are finished already' in again.stdout
  assert snapshot(tmp_path) == before
  rows = re.findall('│.*│', first.stdout)
  assert len(rows) > 5
  assert re.findall('│.*│', again.stdout) == rows
  more = run(environment, 'train', *flags, '--config.num_seeds=4')
  assert more.returncode == 0, more.stderr
  for command in ('predict', 'report'):
    done = run(environment, command, f'--workdir={workdir}')
    assert done.returncode == 0, done.stderr
  whole = tmp_path / 'whole'
  flags = (*TINY, '--config.num_seeds=4', f'--workdir={whole}')
  assert run(environment, 'train', *flags).returncode == 0
  for file in ('config.json', 'metrics.jsonl'):
    assert (workdir / file).read_text() == (whole / file).read_text()
  seeds = [
    json.loads((w / 'results.json').read_text())['seeds']
    for w in (workdir, whole)
  ]
  assert seeds[0] == seeds[1]


@pytest.mark.slow
def test_default_folders_are_different_and_no_flag_is_blamed(
  environment, tmp_path
):
  (tmp_path / 'configs').symlink_to(commands.ROOT / 'configs')
  processes = [
    commands.start(environment, 'train', *TINY, cwd=tmp_path) for _ in range(3)
  ]
  done = [commands.finish(process) for process in processes]
  assert [process.returncode for process in done] == [0, 0, 0]
  folders = list((tmp_path / 'runs').iterdir())
  assert len(folders) == 3
  assert all((folder / 'results.json').exists() for folder in folders)
  other = tmp_path / 'other'
  other.mkdir()
  (other / 'configs').symlink_to(commands.ROOT / 'configs')
  refused = run(
    environment,
    'train',
    '--config=configs/cora.py',
    '--config.data_dir=nowhere',
    cwd=other,
  )
  assert refused.returncode == 2
  assert not (other / 'runs').exists()
  (other / 'file').write_text('')
  (other / 'runs').symlink_to('file')
  refused = run(environment, 'train', *TINY, cwd=other)
  assert refused.returncode == 2
  assert re.fullmatch(
    r'error: the folder for this run: runs/csbm-[-0-9]+ cannot be written'
    r' \(.*\); name another with --workdir\n',
    refused.stderr,
  )


@pytest.mark.slow
def test_a_tilde_is_the_home_and_idle_fields_are_refused(environment, tmp_path):
  own = environment | {'HOME': str(tmp_path)}
  (tmp_path / 'configs').symlink_to(commands.ROOT / 'configs')
  done = run(own, 'train', *TINY, '--workdir=~/run', cwd=tmp_path)
  assert done.returncode == 0, done.stderr
  assert (tmp_path / 'run/results.json').exists()
  assert not (tmp_path / '~').exists()
  refused = run(
    own, 'train', *TINY, '--config.model.residual=True', cwd=tmp_path
  )
  assert refused.returncode == 2
  assert refused.stderr.startswith(
    'error: --config.model.residual: True changes nothing in a model of fewer'
    ' than 3 layers (--config.model.num_layers)'
  )
  assert not (tmp_path / 'runs').exists()


@pytest.mark.slow
def test_checkpoints_that_cannot_be_used_are_left_until_a_flag_drops_them(
  environment, tmp_path
):
  workdir = tmp_path / 'run'
  long = ('--config.max_epochs=1000000', '--config.stop_rule=none')
  flags = (*TINY, *long, f'--workdir={workdir}')
  process = commands.start(environment, 'train', *flags)
  commands.wait_for(lambda: len(list(workdir.glob('checkpoints/[0-9]*'))) > 1)
  process.kill()
  commands.finish(process)
  for facts in workdir.glob('checkpoints/*/facts/metadata'):
    facts.write_text(facts.read_text().replace('"layout": 1', '"layout": 2'))
  before = snapshot(workdir)
  before = {p: x for p, x in before.items() if p.is_file()}
  refused = run(environment, 'train', *flags)
  assert refused.returncode == 2
  assert 'has layout 2 where this version knows 1' in refused.stderr
  assert '--discard_unreadable' in refused.stderr
  assert 'Traceback' not in refused.stderr
  after = {p: x for p, x in snapshot(workdir).items() if p.is_file()}
  assert {p: x for p, x in after.items() if p.name != '.lock'} == {
    p: x for p, x in before.items() if p.name not in ('.lock', '.holder.json')
  }
  process = commands.start(environment, 'train', *flags, '--discard_unreadable')
  commands.wait_for(
    lambda: any(
      '"layout": 1' in p.read_text()
      for p in workdir.glob('checkpoints/[0-9]*/facts/metadata')
    )
  )
  process.terminate()
  done = commands.finish(process)
  assert done.returncode == 143
  assert 'goes on after epoch' not in done.stdout
  assert (
    json.loads((workdir / 'metrics.jsonl').read_text().splitlines()[0])['epoch']
    == 20
  )
