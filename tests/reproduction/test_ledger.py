import json

import pytest

from experiments.reproduction.ledger import Ledger
from gat_jax.errors import WorkdirError

SUBJECT = {'config': {'learning_rate': 0.005}, 'data': 'abc'}


def entry(seed):
  return {'seed': seed, 'test': 0.1 * seed}


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


def test_torn_at_any_byte_loses_the_last_seed_alone(path):
  content = path.read_bytes()
  start = content[:-1].rindex(b'\n') + 1
  for end in range(start, len(content)):
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


def test_another_subject_is_refused(path):
  other = {**SUBJECT, 'data': 'abd'}
  with pytest.raises(WorkdirError, match='another config or of other data'):
    Ledger(path, other)


@pytest.mark.parametrize('line', ['{"seed": ', '[]', '{}', '7'])
def test_damage_inside_names_its_line(path, line):
  lines = path.read_text().splitlines()
  path.write_text('\n'.join([*lines[:2], line, *lines[2:]]) + '\n')
  with pytest.raises(WorkdirError, match='line 3 is damaged'):
    Ledger(path, SUBJECT)


def test_unwritable_file_says_how_to_mend(tmp_path):
  (tmp_path / 'rows').write_text('')
  with pytest.raises(WorkdirError, match='free some space'):
    Ledger(tmp_path / 'rows' / 'x.jsonl', SUBJECT).add([entry(0)])


def test_lines_are_json(path):
  lines = path.read_text().splitlines()
  assert json.loads(lines[0]) == {'subject': SUBJECT}
