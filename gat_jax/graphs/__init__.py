"""Graphs on the host: from edges, ready for the layers, joined, padded.

Layers take any `jraph.GraphsTuple`, and are fast on one that `prepare` made.
"""

from gat_jax.graphs.batches import batch as batch
from gat_jax.graphs.batches import pad as pad
from gat_jax.graphs.dealing import Deck as Deck
from gat_jax.graphs.dealing import deal as deal
from gat_jax.graphs.edge_features import LoopFeatures as LoopFeatures
from gat_jax.graphs.edges import Edges as Edges
from gat_jax.graphs.edges import sum_dtype as sum_dtype
from gat_jax.graphs.features import Features as Features
from gat_jax.graphs.features import SparseFeatures as SparseFeatures
from gat_jax.graphs.features import dense_rows as dense_rows
from gat_jax.graphs.groups import GROUP as GROUP
from gat_jax.graphs.groups import Array as Array
from gat_jax.graphs.groups import Groups as Groups
from gat_jax.graphs.groups import stable_order as stable_order
from gat_jax.graphs.groups import with_tree as with_tree
from gat_jax.graphs.ids import as_int32 as as_int32
from gat_jax.graphs.inputs import MOST_EDGES as MOST_EDGES
from gat_jax.graphs.items import Items as Items
from gat_jax.graphs.items import Side as Side
from gat_jax.graphs.parts.dealing import PARTITIONERS as PARTITIONERS
from gat_jax.graphs.parts.dealing import deal_nodes as deal_nodes
from gat_jax.graphs.parts.exchange import Exchange as Exchange
from gat_jax.graphs.parts.part import Part as Part
from gat_jax.graphs.parts.partitioning import Partition as Partition
from gat_jax.graphs.parts.partitioning import Spread as Spread
from gat_jax.graphs.parts.partitioning import partition as partition
from gat_jax.graphs.prepared import InGivenOrder as InGivenOrder
from gat_jax.graphs.prepared import PreparedGraph as PreparedGraph
from gat_jax.graphs.prepared import Ungrouped as Ungrouped
from gat_jax.graphs.prepared import with_items as with_items
from gat_jax.graphs.preparing import prepare as prepare
from gat_jax.graphs.reading import edges_of as edges_of
from gat_jax.graphs.reading import from_edges as from_edges
from gat_jax.graphs.reading import nodes_of as nodes_of
