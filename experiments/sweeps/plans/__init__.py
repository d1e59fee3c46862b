"""What --dry_run shows: trials and groups, the memory and time they need.

tables      what is shown
estimates   memory from shapes, time from shapes and the speed of this machine
records     what training took before
"""

from experiments.sweeps.plans.tables import show as show
from experiments.sweeps.plans.tables import show_search as show_search
