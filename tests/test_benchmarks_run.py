"""benchmarks.run: what is measured becomes rows, tables and charts that say so.

Turns and rows here are written by hand; the second tier measures.
"""

import json
import pathlib
import signal
import subprocess
import sys
from xml.etree import ElementTree

from commands import ROOT
import pytest

from benchmarks import run
from benchmarks import speed
from benchmarks.comparison import cases
from benchmarks.comparison import charts
from benchmarks.comparison import pages
from benchmarks.comparison import processes
from benchmarks.comparison import summaries
from benchmarks.comparison import tables
from benchmarks.comparison import turns
from benchmarks.comparison.taken import Turn
from benchmarks.peers import common

ABOUT = {
  'day': '2026-12-01',
  'machine': '2 cores, x86_64',
  'jax': '0.10.2',
  'commit': 'abcdef0',
  'threads': 2,
}


def turn(case, program, number, ms=None, style='', **more):
  found = {}
  if ms is not None:
    found = {
      'epoch_ms': ms,
      'inference_ms': ms / 4,
      'compile_s': 3.0,
      'version': 'its 1.0',
    }
  return Turn(case, program, style, number, **({'found': found} | more))


TURNS = [
  turn('cora', 'ours:pyg', 0, 8.0, peak_mb=400.0),
  turn('cora', 'ours:authors', 0, 10.0, peak_mb=410.0),
  turn('cora', 'pyg', 0, 80.0, 'edge_index', peak_mb=500.0),
  turn('cora', 'pyg', 0, 60.0, 'EdgeIndex', peak_mb=510.0, busy=0.4),
  turn('cora', 'dgl', 0, error='dgl is missing'),
  turn('cora', 'pyg', 1, 64.0, 'EdgeIndex', peak_mb=510.0),
  turn('cora', 'ours:pyg', 1, 10.0, peak_mb=400.0),
  turn('cora', 'ours:authors', 1, 10.0, peak_mb=410.0),
  turn('cora-10-seeds', 'ours:pyg', 0, 5.0),
  turn('cora-10-seeds', 'ours:authors', 0, 6.0),
  turn('cora-10-seeds', 'pyg', 0, 50.0, 'edge_index'),
  Turn(
    'cora-100-seeds',
    'ours:authors',
    '',
    0,
    {'table_ms': 600_000.0, 'epochs': 72_000, 'seeds': 100},
  ),
]


def rows_of(names, taken):
  told = {'cora': {'name': 'cora'}, 'large-10000': {'name': 'large'}}
  return summaries.rows(cases.chosen(names), taken, told, ABOUT)


def test_pairs_are_of_one_round_and_the_fastest_style():
  rows = {(r.peer, r.recipe, r.task): r for r in rows_of(['cora'], TURNS)}
  row = rows['pyg', 'pyg', 'epoch']
  assert (row.our_ms, row.their_ms, row.style) == (9.0, 62.0, 'EdgeIndex')
  assert (row.ratio, row.lowest, row.highest, row.pairs) == (6.95, 6.4, 7.5, 2)
  assert (row.our_peak_mb, row.their_peak_mb) == (400.0, 510.0)
  assert (row.our_compile_s, row.busy, row.version) == (3.0, 0.4, 'its 1.0')
  assert rows['pyg', 'authors', 'epoch'].ratio == 6.2
  assert rows['pyg', 'pyg', 'inference'].their_ms == 15.5
  lost = rows['dgl', 'pyg', 'epoch']
  assert (lost.error, lost.ratio, lost.pairs) == ('dgl is missing', None, 0)
  assert lost.our_ms == 9.0


def test_the_table_of_a_hundred_seeds_is_projected():
  rows = rows_of(['cora-100-seeds'], TURNS)
  (row,) = [row for row in rows if row.task == 'table']
  assert row.is_projected
  assert (row.our_ms, row.their_ms, row.ratio) == (600_000, 3_600_000, 6.0)
  text = tables.speeds(rows)
  assert '| 10 min | 60 min, a projection | **6.0** |' in text


def test_ours_never_stops_and_does_what_peers_do():
  for case in cases.chosen([]):
    config = case.settings('pyg')
    assert config.stop_rule == 'none'
    assert config.max_epochs >= 10**9
    assert config.model.shared_input_dropout
    assert not config.model.value_dropout


def grown(edges, ours, theirs, peer='pyg', **more):
  row = {
    'dataset': 'large',
    'seeds': 1,
    'peer': peer,
    'our_ms': ours,
    'their_ms': theirs,
    'ratio': theirs and theirs / ours,
    'lowest': theirs and theirs / ours,
    'highest': theirs and theirs / ours,
    'our_peak_mb': 300.0,
    'their_peak_mb': theirs and 900.0,
    'pairs': 1,
    'recipe': 'pyg',
    'edges': edges,
  }
  return speed.Row(**(row | ABOUT | more))


GROWN = [
  *(grown(10**p, 10.0 ** (p - 4), 10.0 ** (1.1 * p - 4)) for p in (4, 5, 6, 7)),
  grown(10**7, 1000.0, None, 'dgl', error='ran out of 6.0 GiB of memory'),
]


def test_exponents_are_fitted():
  edges = [10**4, 10**5, 10**6, 10**7]
  values = [1e9, 10**5.5, 10**6.6, 10**7.7]  # the first one does not count
  assert tables.exponent(edges, values) == pytest.approx(1.1)
  assert tables.exponent(edges[:3], values[:3]) is None


def test_growth_is_told_and_drawn(tmp_path):
  text = tables.growth(GROWN, 'growth.svg')
  assert 'a line for each library](growth.svg)' in text
  assert '| gat_jax | 1 ms | 10 ms | 100 ms | 1.0 s | 1.00 |' in text
  assert '| DGL |  |  |  | ran out of 6.0 GiB of memory |  |' in text
  path = tmp_path / 'pictures' / 'growth.svg'
  assert charts.save(GROWN, path)
  root = ElementTree.parse(path).getroot()  # noqa: S314, our own file
  about = root.find('.//{http://purl.org/dc/elements/1.1/}description')
  assert json.loads(about.text)['gat_jax'][0] == [10_000, 1.0, 300.0]
  assert not charts.save([], tmp_path / 'none.svg')


def test_bounds_are_ratios_of_times():
  bound = speed.Bound(
    dataset='cora',
    edges=0,
    step_ms=10.0,
    flops=1e8,
    bytes=2e7,
    product_rate=1e11,
    stream_rate=1e10,
    turns=3,
    **ABOUT,
  )
  assert bound.times_products == pytest.approx(10)
  assert bound.times_bytes == pytest.approx(5)
  assert '| cora | 10 ms | 0.10 | 10.0, at 100' in tables.bounds([bound])


def test_older_rows_are_kept_and_the_newest_stands(tmp_path):
  before = grown(0, 10.0, 90.0, day='2026-11-01')
  after = grown(0, 10.0, 40.0)
  lost = grown(0, 10.0, None, error='it fell over')
  for row in (before, after, lost):
    speed.keep([row], [], tmp_path)
  rows = speed.read(tmp_path)
  assert rows == [before, after, lost]
  assert list(speed.newest(rows).values()) == [after]
  assert list(speed.spread(rows).values()) == [(4.0, 9.0)]
  pages.write(tmp_path, tmp_path / 'RESULTS.md', tmp_path / 'growth.svg')
  assert 'not measured: it fell over' in (tmp_path / 'RESULTS.md').read_text()


class Rehearsed(turns.Turns):
  """Its programs take no time; some fail."""

  def _turn(self, case, program, style, number):
    if lost := self._lost(case, program, style):
      return turn(case.name, program, number, style=style, error=lost)
    if program == 'dgl' and case.edges >= 10**6:
      return turn(case.name, program, number, style=style, error='too large')
    ms = 5.0 if style == 'EdgeIndex' else 9.0
    return turn(case.name, program, number, ms, style)


def rehearsed(names, minutes=60.0, told=None):
  settings = turns.Settings(
    ('pyg', 'dgl'), minutes, 3, False, (0,), 2**30, pathlib.Path()
  )
  lines = [] if told is None else told
  session = Rehearsed(cases.chosen(names), settings, lines.append)
  session.run()
  return session.taken


def test_styles_are_tried_once_and_programs_take_turns():
  told = []
  taken = rehearsed(['cora', 'growth-6', 'growth-7', 'growth-4'], told=told)
  styles = [t.style for t in taken if (t.case, t.program) == ('cora', 'pyg')]
  assert styles == ['edge_index', 'EdgeIndex', 'EdgeIndex', 'EdgeIndex']
  firsts = [t.program for t in taken if t.case == 'cora'][:2]
  assert firsts == ['ours:pyg', 'ours:authors']
  assert [t.style for t in taken if t.case == 'growth-7'] == [
    *('', 'EdgeIndex', '')
  ]
  # What a smaller graph was too large for is not tried on a larger one.
  (lost,) = [t for t in taken if (t.case, t.program) == ('growth-7', 'dgl')]
  assert lost.error == 'too large'
  assert told[0].startswith('[1 of ')
  assert 'min left] round 1, cora, ours:pyg: 9 ms an epoch' in told[0]


def test_without_time_everything_is_named_once():
  assert {t.round for t in rehearsed(['cora'], minutes=0)} == {0}
  settings = turns.Settings((), 0.0, 3, False, (0,), 2**30, pathlib.Path())
  session = turns.Turns(cases.chosen(['cora']), settings, lambda _: None)
  session.run()
  assert {t.error for t in session.taken} == {'no time was left'}


def test_a_process_ends_at_its_limits():
  limits = processes.Limits(60, 2**29, (0,))
  ran = [
    processes.run([sys.executable, '-S', '-c', code], limits, {})
    for code in ('print("{}")', 'bytearray(10**10)', '1 / 0')
  ]
  late = processes.run(['sleep', '9'], limits._replace(seconds=0.2), {})
  assert ran[0].output == '{}'
  assert 1 < ran[0].peak_mb < 30
  assert [done.error for done in (*ran, late)] == [
    '',
    'ran out of 0.5 GiB of memory',
    'ZeroDivisionError: division by zero',
    'took longer than 0 s',
  ]


def test_the_first_call_is_apart():
  calls = []
  spec = {'seconds': 0.0, 'least': 2, 'most': 5}
  common.measure(lambda: calls.append(1), spec)
  assert len(calls) == 4  # one that compiles, one that warms up, two timed
  slow = spec | {'seconds': -1.0}
  first, found = common.measure(lambda: calls.append(1), slow, is_eager=True)
  assert first == found
  assert len(calls) == 5


@pytest.mark.parametrize(
  ('flag', 'said'),
  [
    ('--peers=pig', "--peers: there is no 'pig'"),
    ('--rows=coar', "--rows: there is no 'coar'"),
    ('--threads=1000', '--threads: there are'),
    ('--peers=dgl', '--peers: dgl: .venv-peers-dgl is missing: add --build'),
  ],
)
def test_a_wrong_flag_is_said(flag, said, monkeypatch, capsys, tmp_path):
  monkeypatch.setattr(sys, 'argv', ['run', flag])
  monkeypatch.setattr(processes, 'ROOT', tmp_path)
  with pytest.raises(SystemExit, match='2'):
    run.main()
  assert said in capsys.readouterr().err


def command(tmp_path, *flags):
  words = ['-m', 'benchmarks.run', '--quick', f'--output={tmp_path}', *flags]
  return [sys.executable, *words]


@pytest.mark.slow
def test_quick_measures_ours_and_the_baseline(environment, tmp_path):
  done = subprocess.run(
    command(tmp_path, '--rows=growth-4'),
    cwd=ROOT,
    env=environment,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  rows = speed.read(tmp_path)
  assert not [row.error for row in rows if row.error], done.stdout
  (row,) = rows
  assert (row.dataset, row.edges, row.recipe) == ('large', 10_000, 'pyg')
  assert row.our_peak_mb > 50
  assert row.ratio > 0
  assert '# Growth on a CPU' in (tmp_path / 'RESULTS.md').read_text()
  assert (tmp_path / 'growth.svg').exists()


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_measured(environment, tmp_path):
  process = subprocess.Popen(
    command(tmp_path, '--rows=smoke'),
    cwd=ROOT,
    env=environment,
    stdout=subprocess.PIPE,
    text=True,
  )
  for line in process.stdout:
    if 'round 1, smoke' in line:
      break
  process.send_signal(signal.SIGINT)
  said, _ = process.communicate()
  assert process.returncode == 130
  assert 'stopped: what was measured is kept' in said
  # One turn alone is no pair, and no row.
  assert not speed.read(tmp_path)
