"""Hands calls to a tracker's process; no run ever waits for it."""

from collections.abc import Callable
import contextlib
import json
import math
import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time
from typing import Any

_PROCESS = pathlib.Path(__file__).with_name('process.py')
MOST_WAITING = 500  # calls, before points of curves are left out
_START = 30  # seconds that a tracker may take to start
_PATIENCE = 5  # seconds without an answer, once the run has ended
_HURRY = 10  # seconds for what waits when a run has ended; then scores alone
_LONGEST = 60  # seconds, however well it answers then


class Sender:
  """Calls one tracker from a thread, in the order of the calls.

  Attributes:
    problem: what went wrong, if anything has; nothing is called any more then.
    left_out: the droppable calls that were not made, whoever left them out.
  """

  def __init__(self, name: str, on_problem: Callable[[str], None]):
    """Starts nothing before the first call.

    Args:
      name: one of `process.TRACKERS`.
      on_problem: is told once what went wrong, from another thread.
    """
    self.problem: str | None = None
    self.left_out = 0
    self._name = name
    self._on_problem = on_problem
    self._waiting: queue.SimpleQueue = queue.SimpleQueue()
    self._process: subprocess.Popen | None = None
    self._finished = math.inf  # when the run had ended
    self._hopeless = math.inf  # when nobody waits for the next answer any more
    self._lock = threading.Lock()
    self._thread = threading.Thread(target=self._work, daemon=True)

  def call(
    self,
    name: str,
    on_answer: Callable[[Any], None] | None = None,
    *,
    droppable: bool = False,
    **arguments: Any,
  ) -> None:
    """Has the tracker called some time; returns at once.

    Args:
      name: of a method of the tracker.
      on_answer: is given what it returned.
      droppable: leave it out if it still waits when the run has ended and the
        tracker has started, both `_HURRY` ago.
      **arguments: of the method.
    """
    if self.problem is not None:
      return
    if not self._thread.ident:
      self._hopeless = time.monotonic() + _START
      self._thread.start()
    call = json.dumps({'call': name} | arguments)
    self._waiting.put((call, on_answer, droppable))

  @property
  def is_behind(self) -> bool:
    """Whether so many calls wait that nothing droppable should join them."""
    return self._waiting.qsize() >= MOST_WAITING

  def finish(self) -> None:
    """Nothing more is called; `wait` is to follow."""
    self._waiting.put(None)
    self._finished = time.monotonic()
    self._hopeless = max(self._hopeless, self._finished + _PATIENCE)

  def wait(self) -> None:
    """Until everything is sent, as long as the tracker is worth waiting for."""
    if not self._thread.ident:
      return
    began = time.monotonic()
    while self._thread.is_alive():
      now = time.monotonic()
      if now > self._hopeless or now > began + _LONGEST:
        self._give_up('it did not answer in time')
        self._thread.join(1)
        return
      self._thread.join(0.05)

  def _work(self) -> None:
    """What the thread does."""
    try:
      with self._lock:
        if self.problem is not None:
          return
        self._process = subprocess.Popen(  # noqa: S603, nothing is anybody's
          [sys.executable, '-P', str(_PROCESS), self._name],
          stdin=subprocess.PIPE,
          stdout=subprocess.PIPE,
          stderr=subprocess.DEVNULL,
          text=True,
          start_new_session=True,  # Ctrl-C is not for it
        )
      self._answer()
      started = time.monotonic()
      while (item := self._waiting.get()) is not None:
        call, on_answer, droppable = item
        enough = max(started, self._finished) + _HURRY
        if droppable and time.monotonic() > enough:
          self.left_out += 1
          continue
        self._process.stdin.write(f'{call}\n')
        self._process.stdin.flush()
        value = self._answer()
        if on_answer:
          on_answer(value)
      self._process.stdin.close()
      self._process.wait()
    except Exception as error:  # whatever it is, the run goes on
      self._give_up(str(error))
    finally:
      if self._process:
        with contextlib.suppress(OSError):  # it is gone
          self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

  def _answer(self) -> Any:
    """Waits for the answer to the last call."""
    line = self._process.stdout.readline()
    self._hopeless = time.monotonic() + _PATIENCE
    answer = json.loads(line) if line else {'error': 'its process has ended'}
    if 'error' in answer:
      raise RuntimeError(answer['error'])
    return answer.get('value')

  def _give_up(self, problem: str) -> None:
    """Kills the process, and says why: once."""
    with self._lock:
      if self.problem is not None:
        return
      self.problem = problem
      if self._process:
        with contextlib.suppress(ProcessLookupError):
          os.killpg(self._process.pid, signal.SIGKILL)
    self._on_problem(problem)
