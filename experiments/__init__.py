"""What a person starts, each as `python -m experiments.<command>`.

Python imports this before the command. What the command imports then takes
seconds, in which nothing is begun that could be lost: Ctrl-C ends the process
at once and without a word, as it ends other programs. `cli.run` takes over.
"""

import signal
import sys

from experiments import hugepages

# sys.argv[0] is '-m' as long as Python looks for the module that it is to run.
# Where somebody has set a handler, or a shell has turned Ctrl-C off, it stays.
if sys.argv[0] == '-m':
  if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
  hugepages.ask()
