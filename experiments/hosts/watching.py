"""Notices a host that is gone, as soon as its connection is.

JAX's own heartbeats take half a minute, and end a process without a word that
a person understands. Hosts connect to host 0, which tells all of one that has
gone. What comes over a connection is lines: `bye` of a host that leaves in
order, or the number of one that is gone.
"""

from collections.abc import Callable, Iterator
import contextlib
import secrets
import selectors
import socket
import subprocess
import threading
import time

import psutil

from gat_jax import training

_SECONDS = 10  # to connect
_GRACE = 2  # seconds for a process to end by what has ended another one
_BYE = b'bye\n'
# What notices that a machine is off or its network is down: 5 + 3 x 3 seconds.
_KEEP_ALIVE = {'TCP_KEEPIDLE': 5, 'TCP_KEEPINTVL': 3, 'TCP_KEEPCNT': 3}


class Watch:
  """Calls a function once another host is gone, from a thread of its own."""

  def __init__(
    self,
    hosts: training.Hosts,
    tell: Callable[[int], None],
    coordinator: str | None = None,
  ):
    """Connects with the others; all hosts must do it.

    Args:
      hosts: all of them.
      tell: takes the number of the host that is gone; it may end the process.
      coordinator: an address of host 0 that others can reach, and a port of
        another service there; None if it is not known.
    """
    self._hosts = hosts
    self._tell = tell
    self._peers: dict[int, socket.socket] = {}
    self._left: set[int] = set()
    self._begun: dict[int, bytes] = {}  # lines that have not come whole
    self._gone: int | None = None
    self._noticed = threading.Event()
    self._once = threading.Lock()
    self._connect(coordinator)
    threading.Thread(target=self._watch, name='hosts', daemon=True).start()

  @property
  def is_whole(self) -> bool:
    """Whether the connections are there."""
    wanted = self._hosts.count - 1 if self._hosts.is_writer else 1
    return len(self._peers) == wanted

  def _connect(self, coordinator: str | None) -> None:
    hosts, server = self._hosts, None
    if hosts.is_writer:
      server = socket.create_server(('', 0), backlog=hosts.count)
    try:
      where = hosts.tell(
        lambda: (
          server.getsockname()[1],
          _addresses(coordinator),
          secrets.token_bytes(32),
        )
      )
      if server is None:
        peer = _reach(*where, hosts.index)
        self._peers = {0: peer} if peer else {}
      else:
        self._peers = _accept(server, where[2], hosts.count - 1)
    finally:
      if server is not None:
        server.close()
    for peer in self._peers.values():
      _keep_alive(peer)

  def _watch(self) -> None:
    with selectors.DefaultSelector() as selector:
      for index, peer in self._peers.items():
        selector.register(peer, selectors.EVENT_READ, index)
      while selector.get_map():
        for key, _ in selector.select():
          data = b''
          with contextlib.suppress(OSError):  # as if it were closed
            data = key.fileobj.recv(1024)
          if not data:
            selector.unregister(key.fileobj)
          self._hear(key.data, data)

  def _hear(self, index: int, data: bytes) -> None:
    data_so_far = self._begun.get(index, b'') + data
    *lines, self._begun[index] = data_so_far.split(b'\n')
    for line in lines:
      if line.isdigit():
        self._lose(int(line))
      else:
        self._left.add(index)
    if not data and index not in self._left:
      self._lose(index)

  def _lose(self, index: int) -> None:
    if self._gone is not None:
      return
    self._gone = index
    self._noticed.set()
    for other, peer in self._peers.items():
      if other not in (0, index):
        with contextlib.suppress(OSError):
          peer.sendall(b'%d\n' % index)
    if index:  # without host 0, JAX ends this process at once
      time.sleep(_GRACE)
    self.say()

  def say(self) -> None:
    """Tells which host is gone, once; whoever comes second waits forever."""
    self._once.acquire()
    if self._gone is not None:
      self._tell(self._gone)

  def notices(self, seconds: float = _GRACE) -> bool:
    """Whether a host is gone, or will be found to be within that time."""
    return self._noticed.wait(seconds)

  def leave(self) -> None:
    """Tells the others that this host leaves in order."""
    self._once.acquire()  # nothing is told from now on
    for peer in self._peers.values():
      with contextlib.suppress(OSError):
        peer.sendall(_BYE)

  def linger(self) -> None:
    """On host 0, gives others the time to end by what has ended it."""
    self._once.acquire(blocking=False)
    if self._hosts.is_writer:
      time.sleep(_GRACE)


@contextlib.contextmanager
def kept_connections() -> Iterator[None]:
  """Keeps open what this process is connected with now, should it be killed.

  It is for host 0. JAX ends all others at once, by an abort and with a page of
  C++, when their connections with host 0 are closed. A process that holds them
  some seconds longer gives others the time to say themselves what it is.
  """
  handles = [
    connection.fd
    for connection in psutil.Process().net_connections('tcp')
    if connection.status == psutil.CONN_ESTABLISHED
  ]
  holder = subprocess.Popen(  # noqa: S603
    ['/bin/sh', '-c', f'read line; sleep {_GRACE + 1}'],
    stdin=subprocess.PIPE,  # closed when this process ends, however it does
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
    pass_fds=handles,
    start_new_session=True,  # Ctrl-C in a terminal is not for it
  )
  try:
    yield
  finally:
    holder.kill()
    holder.communicate()


def _addresses(coordinator: str | None) -> list[str]:
  """Of this machine, the most likely ones first.

  They are that of the coordinator, then that of a machine itself.
  """
  found = [
    entry.address
    for entries in psutil.net_if_addrs().values()
    for entry in entries
    if entry.family == socket.AF_INET
  ]
  found.sort(key=lambda address: not address.startswith('127.'))
  if coordinator is not None:
    found.insert(0, coordinator.rpartition(':')[0].strip('[]'))
  return found


def _reach(
  port: int, addresses: list[str], token: bytes, index: int
) -> socket.socket | None:
  """Connects with the one of these addresses that knows the token."""
  seconds = _SECONDS / len(addresses)  # host 0 does not wait for ever
  for address in addresses:
    with contextlib.suppress(OSError):
      peer = socket.create_connection((address, port), timeout=seconds)
      peer.sendall(token + b'%8d' % index)
      if _receive(peer, 32) == token[::-1]:
        peer.settimeout(None)
        return peer
      peer.close()
  return None


def _accept(
  server: socket.socket, token: bytes, count: int
) -> dict[int, socket.socket]:
  """Takes the connections of all others, or of those that come in time."""
  found: dict[int, socket.socket] = {}
  deadline = time.monotonic() + 2 * _SECONDS
  while len(found) < count and (left := deadline - time.monotonic()) > 0:
    server.settimeout(left)
    with contextlib.suppress(OSError):
      peer, _ = server.accept()
      peer.settimeout(_SECONDS)
      said = _receive(peer, 40)
      if said[:32] == token:
        peer.sendall(token[::-1])
        peer.settimeout(None)
        found[int(said[32:])] = peer
      else:
        peer.close()
  return found


def _receive(peer: socket.socket, size: int) -> bytes:
  data = b''
  while len(data) < size and (more := peer.recv(size - len(data))):
    data += more
  return data


def _keep_alive(peer: socket.socket) -> None:
  peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
  for name, value in _KEEP_ALIVE.items():
    if hasattr(socket, name):  # not on every system
      peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
