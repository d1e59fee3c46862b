"""What --dry_run shows: trials and groups, the memory and time they need.

tables      what is shown
costs       what one trial takes: measured, remembered or estimated
estimates   from shapes
records     what training took before
"""

from experiments.sweeps.plans.records import remember as remember
from experiments.sweeps.plans.tables import show as show
from experiments.sweeps.plans.tables import show_search as show_search
