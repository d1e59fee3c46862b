"""Graph Attention Networks in JAX: the public names."""

from gat_jax.datasets import Dataset as Dataset
from gat_jax.datasets import Example as Example
from gat_jax.datasets import load as load
from gat_jax.dropout import Dropout as Dropout
from gat_jax.errors import InputError as InputError
from gat_jax.layers import ConstGATLayer as ConstGATLayer
from gat_jax.layers import GATLayer as GATLayer
from gat_jax.layers import GATv2Layer as GATv2Layer
from gat_jax.layers import GCNLayer as GCNLayer
from gat_jax.layers import MLPLayer as MLPLayer
from gat_jax.models import Attention as Attention
from gat_jax.models import Model as Model
from gat_jax.observers import Observer as Observer
from gat_jax.predictions import predict as predict
from gat_jax.results import Result as Result
from gat_jax.runs import train_and_evaluate as train_and_evaluate
