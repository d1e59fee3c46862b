"""Runs in the trackers that a team uses: Weights & Biases, MLflow.

observer   what of a run is sent, under which names
sender     hands it on without ever waiting for it
process    calls the tracker, in a process of its own
"""

from experiments.tracking.observer import TrackingObserver as TrackingObserver
from experiments.tracking.observer import define_flag as define_flag
from experiments.tracking.observer import problems as problems
