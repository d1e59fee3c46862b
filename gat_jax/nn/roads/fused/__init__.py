"""Graph attention in one operation, by kernels of Triton, on an NVIDIA GPU.

Scores, their softmax, dropout and the weighted sum, without an array of edges
but dropout's, and in the gradient that of the scores'.
"""

from gat_jax.nn.roads.fused.operation import attention as attention
from gat_jax.nn.roads.fused.platform import load as load
