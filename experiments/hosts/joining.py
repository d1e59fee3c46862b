"""Connects the processes that were started together, and leaves together."""

from collections.abc import Callable, Iterator
import contextlib
import os
import signal
import sys
import threading
import traceback
from typing import NoReturn

from absl import logging
import jax

from experiments import terminal
from experiments.hosts import launching
from experiments.hosts import watching
from gat_jax import training
from gat_jax.errors import ConfigError

FAILED = 1
_HEARTBEAT_SECONDS = 25
_START_SECONDS = 300


def run(launch: launching.Launch, body: Callable[[], None]) -> None:
  """Does what a command does, on all hosts, and ends the process.

  Whatever ends a host ends all of them, in time and with one error.

  Args:
    launch: how they were started.
    body: raises SystemExit where the exit code is not 0.
  """
  with join(launch) as leave:
    try:
      body()
      code = 0
    except SystemExit as end:
      code = end.code if isinstance(end.code, int) else FAILED
    except BaseException:
      leave.explain()
      code = FAILED
    leave(code)


class _Leave:
  """How a host leaves the others."""

  def __init__(self, hosts: training.Hosts, watch: watching.Watch):
    self._hosts = hosts
    self._watch = watch

  def explain(self) -> None:
    """Says of the exception that is handled what it comes of."""
    if not self._hosts.ended and self._watch.notices():
      self._watch.say()  # and never returns
    traceback.print_exc()

  def __call__(self, code: int) -> None:
    """Ends the process, or returns where all leave together and code is 0."""
    for stream in (sys.stdout, sys.stderr):
      if stream is not None:  # as where it was closed before the start
        stream.flush()
    if not self._hosts.ended:
      self._watch.linger()
      os._exit(code)  # JAX would wait for the others
    self._watch.leave()
    jax.distributed.shutdown()
    if code:
      sys.exit(code)


@contextlib.contextmanager
def join(launch: launching.Launch) -> Iterator[_Leave]:
  """Connects the hosts, and watches that all of them are there.

  JAX must have its settings by then, and not have started.

  Yields:
    What is to be called at the end, with an exit code.

  Raises:
    ConfigError: if they cannot be connected.
  """
  handler = signal.getsignal(signal.SIGTERM)
  try:
    with _waiting(launch):
      jax.distributed.initialize(
        **launch.parameters,
        initialization_timeout=2 * _START_SECONDS,
        heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
      )
  except (RuntimeError, TypeError, ValueError) as error:
    raise ConfigError(
      '--coordinator',
      f'hosts cannot be connected ({str(error).splitlines()[0]})',
      'it must be an address of host 0 and a port that is free there',
    ) from error
  if handler is not None:  # JAX takes the signal, to hear of preemptions
    signal.signal(signal.SIGTERM, handler)
  is_first = jax.process_index() == 0
  kept = watching.kept_connections() if is_first else contextlib.nullcontext()

  with _errors_alone(is_first), kept:
    hosts = training.Hosts.here()
    try:
      watch = watching.Watch(hosts, _lose, launch.coordinator)
    except jax.errors.JaxRuntimeError as error:  # there is no connection yet
      _lose(None, str(error).splitlines()[0])
    if not watch.is_whole:
      logging.warning(
        'host %d of %d has no connection of its own with others: a host that'
        ' is gone is noticed late',
        hosts.index,
        hosts.count,
      )
    yield _Leave(hosts, watch)


def _lose(index: int | None, reason: str = '') -> NoReturn:
  """Ends the process because a host is gone; None for one of the others."""
  who = 'another host' if index is None else f'host {index}'
  why = f' ({reason})' if reason else ''
  terminal.tell(
    f'error: {who} of {jax.process_count()} is gone: it was killed, or cannot'
    f' be reached{why}; start all hosts again: the run goes on from its last'
    ' checkpoint'
  )
  os._exit(FAILED)


@contextlib.contextmanager
def _waiting(launch: launching.Launch) -> Iterator[None]:
  """Says that others have not come yet, and ends the process if none does.

  JAX would end it by an abort, with a page of C++.
  """

  def ask() -> None:
    if not launch.index:
      terminal.tell('waiting for the other hosts')

  def give_up() -> None:
    terminal.tell(
      f'error: not all of {launch.count or "the"} hosts have come in'
      f' {_START_SECONDS // 60} minutes; --coordinator must be an address of'
      ' host 0 that all can reach, and all must be started'
    )
    os._exit(FAILED)

  timers = [threading.Timer(10, ask), threading.Timer(_START_SECONDS, give_up)]
  for timer in timers:
    timer.daemon = True
    timer.start()
  try:
    yield
  finally:
    for timer in timers:
      timer.cancel()


@contextlib.contextmanager
def _errors_alone(is_writer: bool) -> Iterator[None]:
  """Shows what host 0 prints, and of others nothing but errors.

  JAX's own connections announce themselves on standard output, by its number.
  """
  if not is_writer:
    logging.set_verbosity(logging.ERROR)
    terminal.StopRequest.is_silent = True
  before = sys.stdout
  if before is None:  # it was closed before the start
    yield
    return
  own = os.dup(1)
  before.flush()
  with open(os.devnull, 'w') as nowhere:
    os.dup2(nowhere.fileno(), 1)
  if is_writer:
    sys.stdout = os.fdopen(
      os.dup(own), 'w', encoding=before.encoding, errors=before.errors
    )
  try:
    yield
  finally:
    sys.stdout.flush()
    if is_writer:
      sys.stdout.close()
    sys.stdout = before
    os.dup2(own, 1)
    os.close(own)
