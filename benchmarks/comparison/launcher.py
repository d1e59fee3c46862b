"""Confines itself, runs a command and says what became of it.

`python launcher.py REPORT BYTES CORES COMMAND...`. A process begins with the
peak of the memory of the one that started it; this one is small. And what it is
confined to, its command is from the first moment on.
"""

import json
import os
import pathlib
import resource
import subprocess
import sys


def main():
  """Writes exit code and peak, in bytes, to a file."""
  report, num_bytes, cores, *command = sys.argv[1:]
  if sys.platform == 'linux':
    # Memory of its own: code and files that processes share do not count.
    resource.setrlimit(resource.RLIMIT_DATA, (int(num_bytes), int(num_bytes)))
    os.sched_setaffinity(0, json.loads(cores))
  process = subprocess.Popen(command)
  _, status, usage = os.wait4(process.pid, 0)
  process.returncode = os.waitstatus_to_exitcode(status)
  unit = 1 if sys.platform == 'darwin' else 1024  # bytes of ru_maxrss
  said = {'code': process.returncode, 'peak': unit * usage.ru_maxrss}
  pathlib.Path(report).write_text(json.dumps(said))


if __name__ == '__main__':
  main()
