"""Graph Attention Networks in JAX: the public names."""

from gat_jax.datasets import Dataset as Dataset
from gat_jax.datasets import Example as Example
from gat_jax.datasets import load as load
from gat_jax.errors import InputError as InputError
from gat_jax.nn.dropout import Dropout as Dropout
from gat_jax.nn.layers import ConstGATLayer as ConstGATLayer
from gat_jax.nn.layers import GATLayer as GATLayer
from gat_jax.nn.layers import GATv2Layer as GATv2Layer
from gat_jax.nn.layers import GCNLayer as GCNLayer
from gat_jax.nn.layers import MLPLayer as MLPLayer
from gat_jax.nn.models import Attention as Attention
from gat_jax.nn.models import Model as Model
from gat_jax.runs.observers import Observer as Observer
from gat_jax.runs.predictions import predict as predict
from gat_jax.runs.results import Result as Result
from gat_jax.runs.run import train_and_evaluate as train_and_evaluate
