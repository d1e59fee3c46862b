"""Small tables of our own: the graph of `small_npz.good` as people have it."""

import numpy as np
from small_npz import good

from gat_jax import datasets

IDS = ('ann', 'bob', 'cat', 'dan', 'eve', 'fay')
NODES = """id,age,height,mark,label,split
ann,0,1,2,no,train
bob,3,4,5,yes,train
cat,6,7,8,no,val
dan,9,10,11,yes,val
eve,12,13,14,no,test
fay,15,16,17,,
"""
EDGES = """source,target
ann,bob
bob,cat
cat,dan
dan,eve
eve,eve
"""
WEIGHTED = """from,to,km,kind
ann,bob,1,a
bob,cat,2,b
cat,dan,"3.5",c
dan,eve,-4,d
eve,eve,5e1,e
"""


def write(tmp_path, nodes=NODES, edges=EDGES):
  """Writes the tables, text or bytes; returns the fields that name them."""
  files = {'nodes': tmp_path / 'nodes.csv', 'edges': tmp_path / 'edges.csv'}
  for path, content in zip(files.values(), (nodes, edges), strict=True):
    content = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(content)
  return {name: str(path) for name, path in files.items()}


def load(tmp_path, nodes=NODES, edges=EDGES, **options):
  return datasets.load('tables', **write(tmp_path, nodes, edges), **options)


def named_npz():
  return good() | {
    'node_ids': np.array(IDS),
    'class_names': np.array(['no', 'yes']),
  }
