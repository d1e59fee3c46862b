import json
import shutil

from commands import ROOT
import ledgers
import pytest

from experiments.reproduction import tables
from experiments.reproduction.ledger import FinishedSeed
from experiments.reproduction.ledger import Ledger
from experiments.reproduction.ledger import Subject
from gat_jax.errors import WorkdirError

ROW = tables.TABLES['smoke'].rows[1]
SUBJECT = Subject.of(ROW.config(), 'abc')


def changed(**changes):
  config = ROW.config()
  config.update_from_flattened_dict(changes)
  return Subject.of(config, 'abc')


def entry(number):
  return ledgers.seed(number, 80 + number)


@pytest.fixture
def path(tmp_path):
  path = tmp_path / 'rows' / 'cora-gat.jsonl'
  ledger = Ledger(path, SUBJECT)
  assert not path.exists()
  ledger.add([entry(0), entry(1)])
  ledger.add([entry(3)])
  return path


def test_what_was_added_is_read_back(path):
  ledger = Ledger(path, SUBJECT)
  assert ledger.entries == {0: entry(0), 1: entry(1), 3: entry(3)}
  assert ledger.missing(6) == [2, 4, 5]
  assert Ledger(path).entries == ledger.entries


def test_a_torn_last_line_loses_its_seed_alone(path):
  content = path.read_bytes()
  start = content[:-1].rindex(b'\n') + 1
  for end in (*range(start, len(content), 11), len(content) - 1):
    path.write_bytes(content[:end])
    ledger = Ledger(path, SUBJECT)
    assert list(ledger.entries) == [0, 1]
    ledger.add([entry(3)])
    assert path.read_bytes() == content


def test_torn_in_its_first_line_begins_anew(path):
  path.write_bytes(b'{"subj')
  ledger = Ledger(path, SUBJECT)
  assert not ledger.entries
  ledger.add([entry(5)])
  assert list(Ledger(path, SUBJECT).entries) == [5]


@pytest.mark.parametrize(
  ('other', 'words'),
  [
    (Subject(SUBJECT.config, 'abd'), 'the data are others'),
    (changed(learning_rate=0.5), 'learning_rate` is 0.01 there and 0.5 now'),
    (changed(**{'dataset.train_per_class': 5}), 'dataset.train_per_class'),
  ],
  ids=['data', 'field', 'field of the data set'],
)
def test_another_subject_is_refused_and_says_how_it_differs(path, other, words):
  with pytest.raises(WorkdirError, match='another config or of other data'):
    Ledger(path, other)
  with pytest.raises(WorkdirError, match=words):
    Ledger(path, other)


def test_how_a_run_is_executed_may_change(path):
  other = changed(
    checkpoint_minutes=1.0,
    log_every=7,
    seed_loop='vmap',
    data_dir='elsewhere',
    num_seeds=9,
    seed=4,
  )
  assert list(Ledger(path, other).entries) == [0, 1, 3]


def test_a_ledger_of_version_0_1_is_accepted(tmp_path):
  """Its subject names checkpoint_minutes and not all fields of its data set."""
  archive = ROOT / 'tests/old_workdirs/reproduction.tar.gz'
  shutil.unpack_archive(archive, tmp_path, filter='data')
  path = tmp_path / 'reproduction/seeds/smoke-gat.jsonl'
  (header, *_) = path.read_text().splitlines()
  theirs = json.loads(header)['subject']
  assert 'checkpoint_minutes' in theirs['config']
  assert 'train_per_class' not in theirs['config']['dataset']
  ledger = Ledger(path, Subject.of(ROW.config(), theirs['data']))
  assert ledger.missing(4) == [2, 3]
  with pytest.raises(WorkdirError, match='the data are others'):
    Ledger(path, Subject.of(ROW.config(), 'other'))


def test_a_finished_seed_survives_json():
  seed = entry(7)
  text = json.dumps(seed.to_json())
  assert FinishedSeed.from_json(json.loads(text)) == seed


@pytest.mark.parametrize('line', ['{"seed": ', '[]', '{}', '7', '{"seed": 3}'])
def test_damage_inside_names_its_line(path, line):
  lines = path.read_text().splitlines()
  path.write_text('\n'.join([*lines[:2], line, *lines[2:]]) + '\n')
  with pytest.raises(WorkdirError, match='line 3: is damaged'):
    Ledger(path, SUBJECT)


@pytest.mark.parametrize('line', ['{"subject": 3}', '{"seed": 0}', '[]'])
def test_a_damaged_subject_names_its_line(path, line):
  lines = path.read_text().splitlines()
  path.write_text('\n'.join([line, *lines[1:]]) + '\n')
  with pytest.raises(WorkdirError, match='line 1: is damaged'):
    Ledger(path, SUBJECT)


def test_unwritable_file_says_how_to_mend(tmp_path):
  (tmp_path / 'rows').write_text('')
  with pytest.raises(WorkdirError, match='free some space'):
    Ledger(tmp_path / 'rows' / 'x.jsonl', SUBJECT).add([entry(0)])


def test_what_is_only_read_is_never_written(path):
  before = path.read_bytes()
  with pytest.raises(ValueError, match='can only be read'):
    Ledger(path).add([entry(2)])
  assert path.read_bytes() == before


def test_lines_are_json(path):
  header, *lines = path.read_text().splitlines()
  assert json.loads(header)['subject']['data'] == 'abc'
  assert [json.loads(line)['seed'] for line in lines] == [0, 1, 3]
