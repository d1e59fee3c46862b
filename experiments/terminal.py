"""Standard output and standard error, whoever reads them, and how they stop.

What is printed is shown as it is. Where nobody reads it any more, as after
`| head -1`, a command ends without a word.
"""

from collections.abc import Callable, Iterator
import contextlib
import os
import select
import signal
import sys
from typing import Any, ClassVar, TextIO

import rich.console
import rich.status
import rich.text

INTERRUPTED = 128 + signal.SIGINT
UNREAD = 128 + signal.SIGPIPE  # as a shell says of programs that it ends
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Console(rich.console.Console):
  """Shows text as it is; a style is given by `style=`.

  rich itself would read `[b]` as markup and `:cat:` as a picture, in a path, a
  name of a data set or an error as well.
  """

  def __init__(self, *, stderr: bool = False):
    """Takes standard output or standard error."""
    super().__init__(markup=False, emoji=False, stderr=stderr)

  def status(self, status: str, **options: Any) -> rich.status.Status:
    """See rich; the text may be changed by `update`."""
    return _Status(rich.text.Text(status), console=self, **options)

  def on_broken_pipe(self) -> None:
    """Stops what trains, else leaves: nobody reads standard output any more."""
    self.quiet = True
    _mute(self.file)
    if not self.stderr and not StopRequest.note_unread():
      sys.exit(UNREAD)


class _Status(rich.status.Status):
  """rich reads markup in the text of a status whatever the console says."""

  def update(self, status: str | None = None, **options: Any) -> None:
    text = None if status is None else rich.text.Text(status)
    super().update(text, **options)


class StopRequest:
  """Takes the first SIGINT or SIGTERM as a request to stop.

  Whatever trains checks `bool(stop)`, saves and ends. A second signal ends the
  process at once. Outside this context a first one does. Standard output that
  nobody reads any more is a request as well.

  Attributes:
    taken: the signals that came, in order.
    is_silent: whether it says nothing of them.
  """

  is_silent: ClassVar[bool] = False
  _open: ClassVar[list['StopRequest']] = []

  def __init__(self, *patient: signal.Signals):
    """No signal has come yet.

    Args:
      *patient: signals that ask it to stop, but never end it at once.
    """
    self.taken: list[int] = []
    self._patient = patient

  def __bool__(self) -> bool:
    return bool(self.taken)

  def __enter__(self) -> 'StopRequest':
    self._before = {
      number: signal.signal(number, self._take)
      for number in {*_SIGNALS, *self._patient}
    }
    self._open.append(self)
    return self

  def __exit__(self, *unused_error) -> None:
    self._open.remove(self)
    for number, handler in self._before.items():
      signal.signal(number, handler)

  @classmethod
  def note_unread(cls) -> bool:
    """Standard output is not read any more; returns whether that is heeded."""
    for stop in cls._open:
      stop.taken.append(signal.SIGPIPE)
    return bool(cls._open)

  def _take(self, number: int, unused_frame) -> None:
    signals = [taken for taken in self.taken if taken != signal.SIGPIPE]
    if signals and number not in self._patient:
      signal.signal(signal.SIGINT, signal.SIG_IGN)  # a third would cut saving
      sys.exit(128 + number)
    self.taken.append(number)
    if not self.is_silent:
      tell('\nsaving after the epochs that are running; once more ends at once')

  def share(self, agree: Callable[..., list[int]]) -> None:
    """Takes what has come on any host for what has come here.

    Args:
      agree: see `training.Hosts.agree`.
    """
    known = sorted({*_SIGNALS, *self._patient, signal.SIGPIPE})
    came = agree(*(number in self.taken for number in known))
    everywhere = [
      n for n, has_come in zip(known, came, strict=True) if has_come
    ]
    if set(everywhere) != set(self.taken):
      self.taken = everywhere

  def pass_on(self) -> None:
    """Raises the signals again, for the handlers outside this context."""
    for number in self.taken:
      signal.raise_signal(number)

  @property
  def exit_code(self) -> int:
    """130 after SIGINT, 143 after SIGTERM."""
    return 128 + self.taken[0]


@contextlib.contextmanager
def reading(stream: TextIO | None) -> Iterator[None]:
  """Leaves without a word if the reader of a stream is gone, as of `| head`."""
  try:
    yield
    if stream is not None:  # as where it was closed before the start
      stream.flush()
  except BrokenPipeError:
    if stream is None or not _is_unread(stream):
      raise  # it is of another pipe
    _mute(stream)
    sys.exit(UNREAD)


def _is_unread(stream: TextIO) -> bool:
  """Whether it is a pipe that nobody will ever read."""
  poll = select.poll()
  poll.register(stream, 0)
  return bool(poll.poll(0))


def _mute(stream: TextIO) -> None:
  """Drops what is written to it from now on, or still in its buffer."""
  with open(os.devnull, 'w') as nowhere:
    os.dup2(nowhere.fileno(), stream.fileno())


def tell(message: str) -> None:
  """Prints a line on standard error, if anybody reads it."""
  try:
    print(message, file=sys.stderr, flush=True)
  except BrokenPipeError:
    _mute(sys.stderr)
