"""Weights of PyTorch Geometric's layers as layers of this library, and back.

    state = {k: v.numpy() for k, v in conv.state_dict().items()}
    layer = interop.from_pyg(state)
    conv.load_state_dict(
      {k: torch.from_numpy(v) for k, v in interop.to_pyg(layer).items()}
    )

GATConv, GATv2Conv and GCNConv have counterparts: `GATLayer` without score
biases, `GATv2Layer` and `GCNLayer`. PyTorch is not needed.

The same weights give the same outputs on the same graph, but PyTorch Geometric
changes the graph that it is given. GATConv and GATv2Conv drop self-loops and
give every node a new one, whose features are the mean of those of the other
edges that come in (`fill_value='mean'`). GCNConv adds one where there is none.
`graphs.prepare` makes that graph: drop self-loops before if there are any, and
say `duplicates='keep'`. Its `loop_features='mean'` is the same mean.
"""

from gat_jax.interop.pyg import from_pyg as from_pyg
from gat_jax.interop.pyg import to_pyg as to_pyg
