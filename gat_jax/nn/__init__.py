"""What is computed: operations on edges, dropout, layers, models."""

from gat_jax.nn.dropout import Dropout as Dropout
from gat_jax.nn.layers import ConstGATLayer as ConstGATLayer
from gat_jax.nn.layers import GATLayer as GATLayer
from gat_jax.nn.layers import GATv2Layer as GATv2Layer
from gat_jax.nn.layers import GCNLayer as GCNLayer
from gat_jax.nn.layers import MLPLayer as MLPLayer
from gat_jax.nn.models import LAYERS as LAYERS
from gat_jax.nn.models import Attention as Attention
from gat_jax.nn.models import Model as Model
from gat_jax.nn.models import build as build
from gat_jax.nn.models import has_attention as has_attention
from gat_jax.nn.models import num_parameters as num_parameters
from gat_jax.nn.operations import aggregate as aggregate
from gat_jax.nn.operations import elu as elu
from gat_jax.nn.operations import project as project
from gat_jax.nn.operations import segment_softmax as segment_softmax
