"""A real Slurm of one node on this machine, for as long as a test wants it."""

from collections.abc import Iterator
import contextlib
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import tempfile

import commands
import pytest

_FILES = pathlib.Path(__file__).parent / 'slurm'
_PROGRAMS = ('munged', 'slurmctld', 'slurmd', 'sbatch', 'srun')


@contextlib.contextmanager
def running() -> Iterator[dict[str, str]]:
  """The variables with which Slurm's commands and submitit find the cluster.

  Where Slurm is not installed, or without root, the test is skipped, but not in
  CI.
  """
  missing = [name for name in _PROGRAMS if not shutil.which(name)]
  if missing or os.geteuid():
    reason = f'needs root and Slurm with munge; missing: {missing}'
    if os.environ.get('CI'):
      pytest.fail(reason)
    pytest.skip(reason)
  with tempfile.TemporaryDirectory(prefix='gat_jax-slurm-') as name:
    root = pathlib.Path(name)
    variables = {
      'SLURM_CONF': str(_configure(root)),
      'PATH': f'{_FILES}{os.pathsep}{os.environ["PATH"]}',
    }
    with contextlib.ExitStack() as stack:
      for command in (
        ['munged', '--foreground', f'--socket={root}/munge.socket']
        + [f'--{kind}-file={root}/munge.{kind}' for kind in ('key', 'pid')]
        + [f'--{kind}-file={root}/munge.{kind}' for kind in ('log', 'seed')],
        ['slurmctld', '-D'],
        ['slurmd', '-D', '-N', 'localhost'],
      ):
        stack.enter_context(_daemon(command, root, variables))
        if command[0] == 'munged':
          commands.wait_for((root / 'munge.socket').exists)
      commands.wait_for(lambda: ask(variables, 'sinfo', '-ho%T') == 'idle')
      yield variables
      ask(variables, 'scancel', '--user=root')


def ask(variables: dict[str, str], *command: str) -> str:
  """What one of Slurm's commands says; nothing if it fails."""
  return subprocess.run(
    command,
    env=os.environ | variables,
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    text=True,
    check=False,
    timeout=60,
  ).stdout.strip()


def _configure(root: pathlib.Path) -> pathlib.Path:
  for folder in ('state', 'spool'):
    (root / folder).mkdir()
  root.chmod(0o711)  # munge refuses to work where others may write
  key = root / 'munge.key'
  key.touch(0o600)
  key.write_bytes(secrets.token_bytes(128))
  controller_port, node_port = _free_ports()
  text = (_FILES / 'slurm.conf').read_text()
  text = text.format(
    root=root,
    controller_port=controller_port,
    node_port=node_port,
    cpus=os.cpu_count(),
    megabytes=4000,
  )
  path = root / 'slurm.conf'
  path.write_text(text)
  return path


def _free_ports() -> list[int]:
  with contextlib.ExitStack() as stack:
    sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
    for each in sockets:
      each.bind(('', 0))
    return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def _daemon(
  command: list[str], root: pathlib.Path, variables: dict[str, str]
) -> Iterator[None]:
  with open(root / f'{command[0]}.output', 'wb') as output:
    process = subprocess.Popen(
      command,
      env=os.environ | variables,
      stdin=subprocess.DEVNULL,
      stdout=output,
      stderr=subprocess.STDOUT,
      start_new_session=True,
    )
    try:
      yield
    finally:
      process.terminate()
      process.wait(timeout=60)
