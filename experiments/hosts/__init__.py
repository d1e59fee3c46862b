"""One command in several processes, on one machine or many: hosts.

launching   who started them, how many there are, which one this is
joining     connects them by `jax.distributed`, and leaves together
watching    notices a host that is gone, and says so
"""

from experiments.hosts.joining import join as join
from experiments.hosts.joining import run as run
from experiments.hosts.launching import Launch as Launch
from experiments.hosts.launching import define_flags as define_flags
from experiments.hosts.launching import find as find
