"""Commands that pages show can be typed: modules, flags, configs, fields."""

import importlib.util
import json
import pathlib
import re
import shlex
import subprocess
import sys

import documents
import pytest

from gat_jax.runs.fields import FIELDS

COMMANDS = [c for path in documents.PAGES for c in documents.commands(path)]
# Those that read or write a folder that somebody has to name.
NEED_WORKDIR = {
  f'experiments.{name}' for name in ('predict', 'report', 'reproduce', 'sweep')
}
# A process for each line, in which it is parsed and no more: a flag that is not
# there ends it, as does anything that is refused before training.
PARSE = """
import importlib, json, os, pkgutil, sys
from absl import flags
import experiments
for _, name, is_package in pkgutil.walk_packages(
  experiments.__path__, 'experiments.'
):
  if is_package or name.count('.') > 1 or name == 'experiments.cli':
    importlib.import_module(name)  # once for all
from experiments import arguments
from gat_jax import runs
for page, name, words in json.load(sys.stdin):
  if not os.fork():
    sys.argv = [name, *words]
    try:
      module = importlib.import_module(name)
      arguments.parse()
      config = flags.FLAGS.config if 'config' in flags.FLAGS else None
      for file in config if isinstance(config, list) else []:
        module.changes(file)
      if config and not isinstance(config, list):
        runs.settings.check(config)
    except BaseException as error:
      print(page, words, ' '.join(str(error).split()), flush=True)
    os._exit(0)
  os.wait()
"""


WRONG = [
  documents.Command('wrong.md', text)
  for text in (
    'experiments.train --config=configs/coar.py',
    'experiments.train --config=configs/cora.py --config.model.heads=4',
    'experiments.train --config=configs/cora.py --config.num_seeds=0',
    'experiments.train --work_dir=x',
    "experiments.sweep --config=configs/cora.py --sweep 'model.heads=1,2'",
    'experiments.sweep --config=configs/cora.py --slurm.partitions=gpu',
    'experiments.report --nodes=1',
  )
]


@pytest.mark.slow
def test_commands_take_all_that_pages_show():
  lines = []
  for page, text in COMMANDS + WRONG:
    module, *words = shlex.split(text, comments=True)
    if module.startswith('experiments.') and '--help' not in words:
      lines.append((page, module, words))
  done = subprocess.run(
    [sys.executable, '-c', PARSE],
    input=json.dumps(lines),
    cwd=documents.ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  refused = done.stdout.splitlines()
  assert not [line for line in refused if not line.startswith('wrong.md')]
  assert len(refused) == len(WRONG), done.stdout


def test_commands_configs_and_flags_are_there():
  """Whether they fit together is seen in the second tier."""
  assert len(COMMANDS) > 20
  for page, text in COMMANDS:
    module, *words = shlex.split(text, comments=True)
    spec = importlib.util.find_spec(module)
    assert spec, f'{page}: {module}'
    if module.partition('.')[0] not in ('benchmarks', 'experiments'):
      continue
    if spec.submodule_search_locations:
      spec = importlib.util.find_spec(f'{module}.__main__')
    if words and '--help' not in words and module in NEED_WORKDIR:
      assert any(w.startswith('--workdir=') for w in words), f'{page}: {text}'
    source = pathlib.Path(spec.origin).read_text()
    for word in set(words) - {'--help'}:
      if found := re.match(r'--(no)?([\w]+)([.\w]*)', word):
        known = (f"'{found[2]}'", f"'--{found[2]}'", f"'{found[1]}{found[2]}'")
        assert any(name in source for name in known), f'{page}: {word}'
      if word.startswith('--config='):
        for file in word.removeprefix('--config=').split(','):
          path = documents.ROOT / file.partition(':')[0]
          assert path.is_file(), f'{page}: {word}'
      if word.startswith('--config.') and '.dataset.' not in word:
        field = word.removeprefix('--config.').partition('=')[0]
        assert field in FIELDS, f'{page}: {word}'


def test_there_is_one_command_for_the_site():
  shown = {c.words for c in COMMANDS if c.words.startswith('sphinx')}
  assert shown == {documents.SITE}
