"""How a model learns, compiled: losses, early stopping, batches, devices."""

from gat_jax.training import early_stopping as early_stopping
from gat_jax.training import memory as memory
from gat_jax.training import metrics as metrics
from gat_jax.training.batching import Batches as Batches
from gat_jax.training.batching import validation as validation
from gat_jax.training.compiling import jit as jit
from gat_jax.training.compiling import own_jax_settings as own_jax_settings
from gat_jax.training.drivers import BatchDriver as BatchDriver
from gat_jax.training.drivers import Driver as Driver
from gat_jax.training.drivers import PausingDriver as PausingDriver
from gat_jax.training.drivers import choose_driver as choose_driver
from gat_jax.training.drivers import looks_for_errors as looks_for_errors
from gat_jax.training.drivers.parted import Counter as Counter
from gat_jax.training.drivers.parted import take_apart as take_apart
from gat_jax.training.drivers.resident import epochs_of_all as epochs_of_all
from gat_jax.training.hosts import HostError as HostError
from gat_jax.training.hosts import Hosts as Hosts
from gat_jax.training.metrics import Counts as Counts
from gat_jax.training.packing import pack as pack
from gat_jax.training.program import Program as Program
from gat_jax.training.replicas import BREAKABLE as BREAKABLE
from gat_jax.training.replicas import Replica as Replica
from gat_jax.training.replicas import ReplicaState as ReplicaState
from gat_jax.training.sampling import Layerwise as Layerwise
from gat_jax.training.sampling import SplitCounter as SplitCounter
from gat_jax.training.sampling import apply_model as apply_model
