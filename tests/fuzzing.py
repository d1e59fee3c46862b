r"""Feeds damaged input to what reads it, for a while, in a process of its own.

Try:
  python tests/fuzzing.py npz 60
  python tests/fuzzing.py ppi,npz,overrides 5     # five seconds each

Whatever comes in must give a correct load or an InputError: no other exception,
nothing run, no process, no socket, no file written elsewhere, at most 10 s and
2 GB. If not, this ends with exit code 1 and the shortest such input that
Hypothesis finds. The pickles of Planetoid are no target: none is read unless
its SHA-256 is that of the published file.
"""

# ruff: noqa: E402, the path comes first

import contextlib
import hashlib
import io
import os
import pathlib
import re
import resource
import signal
import sys
import tempfile
import time
import warnings
import zipfile

sys.path[:0] = [
  str(pathlib.Path(__file__).parent / 'datasets'),
  str(pathlib.Path(__file__).parent),
  str(pathlib.Path(__file__).parents[1]),
]

from absl import flags
import hypothesis
from hypothesis import strategies as st
from ml_collections import config_flags
import polars
import small_archives
import small_npz
import small_tables

from configs import smoke
from experiments import arguments
from gat_jax import datasets
from gat_jax.datasets import ppi
from gat_jax.errors import InputError
from gat_jax.runs import settings

MAX_SECONDS = 10
MAX_BYTES = 2 * 10**9
_FORBIDDEN = (
  'ctypes.',
  'os.exec',
  'os.fork',
  'os.posix_spawn',
  'os.remove',
  'os.system',
  'pickle.find_class',
  'pty.spawn',
  'shutil.',
  'socket.',
  'subprocess.Popen',
)
_EXTREMES = [0, 1, -1, 2**15, 2**31 - 1, -(2**31), 2**32 - 1, 2**62, -(2**63)]


class Forbidden(BaseException):
  """Input made the reader do what no reader needs; nothing may catch it."""


class Watch:
  """Notices what the interpreter does while input is read."""

  def __init__(self, folder: str):
    self._folder = folder
    self._on = False
    sys.addaudithook(self._hook)

  def __enter__(self):
    self._on = True
    signal.alarm(MAX_SECONDS)
    self._before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

  def __exit__(self, *unused_error):
    self._on = False
    signal.alarm(0)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if 1024 * (after - self._before) > MAX_BYTES:
      raise Forbidden(f'took {(after - self._before) / 1e6:.1f} GB')

  def _hook(self, event, args):
    if not self._on:
      return
    inside = args and str(args[0]).startswith(self._folder)
    if event == 'open':
      path, mode, _ = args
      if mode and set(mode) & set('wax+') and not inside:
        self._refuse(f'opens {path} to write')
    elif event == 'os.remove' and inside:
      pass
    elif event == 'exec':
      source = args[0].co_filename  # importing a module of a library is fine
      if not os.path.isfile(source):
        self._refuse(f'runs {source}')
    elif event.startswith(_FORBIDDEN):
      self._refuse(f'{event} {args}')

  def _refuse(self, what):
    self._on = False
    raise Forbidden(what)


def _too_slow(*unused):
  raise Forbidden(f'takes more than {MAX_SECONDS} s')


@st.composite
def damaged(draw, content: bytes) -> bytes:
  """A few bytes flipped, put in, left out, moved, or made an odd number."""
  content = bytearray(content)
  for _ in range(draw(st.integers(1, 5))):
    size = len(content)
    at = draw(st.integers(0, size))
    kind = draw(st.sampled_from(['flip', 'put', 'cut', 'move', 'number']))
    if kind == 'flip' and at < size:
      content[at] ^= draw(st.integers(1, 255))
    elif kind == 'put':
      content[at:at] = draw(st.binary(max_size=20))
    elif kind == 'cut':
      del content[at : at + draw(st.integers(1, max(1, size)))]
    elif kind == 'move':
      start = draw(st.integers(0, size))
      content[at:at] = content[start : start + draw(st.integers(1, 200))]
    elif kind == 'number':
      width = draw(st.sampled_from([2, 4, 8]))
      number = draw(st.sampled_from(_EXTREMES)) % 2 ** (8 * width)
      content[at : at + width] = number.to_bytes(width, 'little')
  return bytes(content)


@st.composite
def damaged_zip(draw, members: dict[str, bytes]) -> bytes:
  """Damage in a member under a right checksum, or in the archive itself."""
  if draw(st.booleans()):
    name = draw(st.sampled_from(sorted(members)))
    members = members | {name: draw(damaged(members[name]))}
  content = small_archives.packed(members)
  return content if draw(st.booleans()) else draw(damaged(content))


def read_ppi(folder):
  def read(content):
    ppi.SHA256 = {'published': hashlib.sha256(content).hexdigest()}
    pathlib.Path(folder, 'ppi.zip').write_bytes(content)
    dataset = datasets.load('ppi', folder)
    if dataset.card['nodes'] > len(content):
      raise Forbidden(f'made {dataset.card["nodes"]} nodes of nothing')

  archives = [small_archives.dgl(), small_archives.sage()]
  inputs = st.sampled_from(
    [{k: small_archives.encoded(v) for k, v in a.items()} for a in archives]
  ).flatmap(damaged_zip)
  return inputs, read


def read_npz(folder):
  path = pathlib.Path(folder, 'graph.npz')

  def members(content):
    archive = zipfile.ZipFile(io.BytesIO(small_npz.packed(content)))
    return {name: archive.read(name) for name in archive.namelist()}

  def read(content):
    path.write_bytes(content)
    datasets.load(str(path))

  files = [small_npz.good(), small_npz.indexed(), small_npz.sparse()]
  return st.sampled_from(list(map(members, files))).flatmap(damaged_zip), read


def read_tables(folder):
  files = {n: pathlib.Path(folder, f'{n}.csv') for n in ('nodes', 'edges')}
  paths = {name: str(path) for name, path in files.items()}
  good = {'nodes': small_tables.NODES, 'edges': small_tables.WEIGHTED}

  def read(content):
    for name, path in files.items():
      path.write_bytes(content.get(name, good[name].encode()))
    dataset = datasets.load('tables', **paths)
    rows = sum(text.count(b'\n') + 1 for text in content.values())
    if dataset.card['nodes'] > rows + 10:
      raise Forbidden(f'made {dataset.card["nodes"]} nodes of nothing')

  words = st.sampled_from(
    ['', '"', '\n', '\r', ',', ';', 'nan', '1e400', 'true', 'ann', 'train']
  )
  cells = st.sampled_from(sorted(good)).flatmap(
    lambda name: st.builds(
      lambda old, new: {name: good[name].replace(old, new, 1).encode()},
      st.sampled_from(sorted(set(re.split('[,\n]', good[name])) - {''})),
      words | st.text(max_size=8),
    )
  )
  bytes_of = st.sampled_from(sorted(good)).flatmap(
    lambda name: damaged(good[name].encode()).map(lambda data: {name: data})
  )
  return cells | bytes_of, read


def read_parquet(folder):
  files = {
    n: str(pathlib.Path(folder, f'{n}.parquet')) for n in ('nodes', 'edges')
  }
  good = {}
  for name, text in (
    ('nodes', small_tables.NODES),
    ('edges', small_tables.WEIGHTED),
  ):
    polars.read_csv(io.StringIO(text)).write_parquet(files[name])
    good[name] = pathlib.Path(files[name]).read_bytes()

  def read(content):
    for name, data in (good | content).items():
      pathlib.Path(files[name]).write_bytes(data)
    datasets.load('tables', **files)

  inputs = st.sampled_from(sorted(good)).flatmap(
    lambda name: damaged(good[name]).map(lambda data: {name: data})
  )
  return inputs, read


def read_overrides(folder):
  del folder  # nothing is read from a file
  fields = list(smoke.get_config().to_dict())
  fields += [f'model.{name}' for name in smoke.get_config().model]
  fields += [f'dataset.{name}' for name in smoke.get_config().dataset]
  names = st.sampled_from(fields) | st.text(max_size=12)
  evil = ('__import__("os").system("true")', '().__class__', '[1]*9**9', '9**9')
  values = st.one_of(
    st.text(max_size=30),
    st.integers().map(str),
    st.floats().map(repr),
    st.sampled_from(['', 'None', '()', '(1,)', '1e400', 'nan', '0x1', *evil]),
  )

  def read(overrides):
    words = [f'--config.{name}={value}' for name, value in overrides]
    sys.argv = ['train', f'--config={smoke.__file__}', *words]
    holders = flags.FlagValues()
    config_flags.DEFINE_config_file('config', flag_values=holders)
    try:
      holders(sys.argv)
      config = holders.config
    except Exception as error:  # as the command line catches it
      raise InputError('--config', arguments.explain(error)) from error
    settings.check(config)

  return st.lists(st.tuples(names, values), min_size=1, max_size=3), read


TARGETS = {
  'ppi': read_ppi,
  'npz': read_npz,
  'tables': read_tables,
  'parquet': read_parquet,
  'overrides': read_overrides,
}


def main(target: str, seconds: float) -> None:
  """Draws input after input until the time is over."""
  with tempfile.TemporaryDirectory() as folder:
    os.environ['XDG_CACHE_HOME'] = folder
    inputs, read = TARGETS[target](folder)
    watch = Watch(folder)
    count = refused = 0

    def attempt(value):
      nonlocal count, refused
      count += 1
      with (
        watch,
        warnings.catch_warnings(action='error', category=RuntimeWarning),
      ):
        try:
          read(value)
        except InputError:
          refused += 1

    end = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < end:
      rounds += 1
      trial = hypothesis.settings(
        max_examples=100,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
      )(hypothesis.seed(rounds)(hypothesis.given(inputs)(attempt)))
      trial()
  print(f'{target}: {count} inputs, {refused} of them refused')


if __name__ == '__main__':
  signal.signal(signal.SIGALRM, _too_slow)
  with contextlib.suppress(KeyboardInterrupt):
    for target in sys.argv[1].split(','):
      main(target, float(sys.argv[2]))
