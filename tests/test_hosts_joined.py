"""How hosts are connected, and how one hears of another that is gone."""

import io
import os
import queue
import socket
import sys
import threading
import time

import commands
import jax
import pytest

from experiments import terminal
from experiments.hosts import joining
from experiments.hosts import launching
from experiments.hosts import watching


def test_a_host_that_is_gone_before_it_is_watched_is_one_error(
  monkeypatch, capsys
):
  reason = 'FAILED_PRECONDITION: Gloo has no connection\nand a page of C++'

  def fail(*_):
    raise jax.errors.JaxRuntimeError(reason)

  monkeypatch.setattr(jax.distributed, 'initialize', lambda **_: None)
  monkeypatch.setattr(watching, 'Watch', fail)
  monkeypatch.setattr(os, '_exit', sys.exit)
  with (
    pytest.raises(SystemExit) as end,
    joining.join(launching.Launch('--hosts', 2, 0, 'a:1')),
  ):
    pass
  assert end.value.code == 1
  errors = capsys.readouterr().err
  assert errors.startswith('error: another host of ')
  assert 'Gloo has no connection); start all hosts again' in errors
  assert errors.count('\n') == 1


@pytest.mark.parametrize('is_writer', [True, False])
def test_standard_output_may_be_closed(monkeypatch, is_writer):
  monkeypatch.setattr(terminal.StopRequest, 'is_silent', False)
  monkeypatch.setattr(joining.logging, 'set_verbosity', lambda _: None)
  monkeypatch.setattr(sys, 'stdout', None)
  with joining._errors_alone(is_writer):
    print('nobody reads it')
  assert terminal.StopRequest.is_silent != is_writer


def test_standard_output_keeps_how_it_shows_what_it_cannot(monkeypatch, capfd):
  stdout = io.TextIOWrapper(
    os.fdopen(os.dup(1), 'wb'), encoding='ascii', errors='backslashreplace'
  )
  monkeypatch.setattr(sys, 'stdout', stdout)
  with joining._errors_alone(True):
    print('Gr\xfc\xdfe')
  stdout.close()
  assert capfd.readouterr().out == 'Gr\\xfc\\xdfe\n'


class Host:
  """One of two, in one process; the second is told what the first makes."""

  def __init__(self, index, told):
    self.index, self.count, self._told = index, 2, told

  @property
  def is_writer(self):
    return self.index == 0

  def tell(self, make):
    if self.is_writer:
      made = make()
      self._told.put(made)
      return made
    return self._told.get(timeout=10)


def test_a_number_that_comes_in_two_pieces_is_one(monkeypatch):
  monkeypatch.setattr(watching, '_GRACE', 0)
  told, gone, first = queue.Queue(), [], []
  thread = threading.Thread(
    target=lambda: first.append(watching.Watch(Host(0, told), gone.append))
  )
  thread.start()
  second = watching.Watch(Host(1, told), gone.append)
  thread.join()
  assert first[0].is_whole
  assert second.is_whole
  peer = first[0]._peers[1]
  peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
  for piece in (b'1', b'2\n'):
    peer.sendall(piece)
    time.sleep(0.1)
  commands.wait_for(lambda: gone)
  assert gone == [12]
  first[0].leave()


def test_the_address_that_is_known_to_work_is_tried_first():
  known, *others = watching._addresses('host.example:8476')
  assert known == 'host.example'
  assert others == watching._addresses(None)
  assert others[0].startswith('127.')
  assert watching._addresses('[::1]:8476')[0] == '::1'
