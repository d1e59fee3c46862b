"""Graph Attention Networks in JAX: the public names."""

from gat_jax import graphs as graphs
from gat_jax import interop as interop
from gat_jax import nn as nn
from gat_jax.datasets import Dataset as Dataset
from gat_jax.datasets import Example as Example
from gat_jax.datasets import load as load
from gat_jax.errors import ConfigError as ConfigError
from gat_jax.errors import DataError as DataError
from gat_jax.errors import InputError as InputError
from gat_jax.errors import WorkdirError as WorkdirError
from gat_jax.nn import Attention as Attention
from gat_jax.nn import ConstGATLayer as ConstGATLayer
from gat_jax.nn import GATLayer as GATLayer
from gat_jax.nn import GATv2Layer as GATv2Layer
from gat_jax.nn import GCNLayer as GCNLayer
from gat_jax.nn import MLPLayer as MLPLayer
from gat_jax.nn import Model as Model
from gat_jax.runs import Ended as Ended
from gat_jax.runs import Evaluation as Evaluation
from gat_jax.runs import Observer as Observer
from gat_jax.runs import Outcome as Outcome
from gat_jax.runs import Result as Result
from gat_jax.runs import default_config as default_config
from gat_jax.runs import predict as predict
from gat_jax.runs import train_and_evaluate as train_and_evaluate

__version__ = '0.2.0'
