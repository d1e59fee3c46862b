"""What is computed: operations on edges, dropout, layers, models.

The layers and the model are NNX modules. `aggregate`, `drop_features`, `elu`,
`project` and `segment_softmax` are functions of arrays, for models of Equinox,
Linen or none.
"""

from gat_jax.nn.aggregation import aggregate as aggregate
from gat_jax.nn.attention import AttentionLayer as AttentionLayer
from gat_jax.nn.dropout import Dropout as Dropout
from gat_jax.nn.dropout import drop_features as drop_features
from gat_jax.nn.heads import HeadsLayer as HeadsLayer
from gat_jax.nn.layers import ConstGATLayer as ConstGATLayer
from gat_jax.nn.layers import GATLayer as GATLayer
from gat_jax.nn.layers import GATv2Layer as GATv2Layer
from gat_jax.nn.layers import GCNLayer as GCNLayer
from gat_jax.nn.layers import MLPLayer as MLPLayer
from gat_jax.nn.models import LAYERS as LAYERS
from gat_jax.nn.models import Attention as Attention
from gat_jax.nn.models import Model as Model
from gat_jax.nn.models import has_attention as has_attention
from gat_jax.nn.models import num_parameters as num_parameters
from gat_jax.nn.operations import elu as elu
from gat_jax.nn.operations import project as project
from gat_jax.nn.operations import segment_softmax as segment_softmax
from gat_jax.nn.pairs import pair_scores as pair_scores
