"""Adam with the paper's L2 or with decaying weights."""

from typing import Any, Literal

import optax


def make(
  name: Literal['adam', 'adamw'],
  learning_rate: Any = 0.0,
  weight_decay: Any = 0.0,
  epsilon: Any = 1e-8,
) -> optax.GradientTransformation:
  """What turns gradients into updates; all numbers may be traced.

  Args:
    name: `adam` has L2 in the gradient, as the paper; `adamw` decays weights.
    learning_rate: of Adam.
    weight_decay: lambda of lambda / 2 |v|^2.
    epsilon: of Adam, added to the root of the second moment (Kingma and Ba,
      algorithm 1).
  """
  decay = optax.add_decayed_weights(weight_decay)
  adam = optax.scale_by_adam(b1=0.9, b2=0.999, eps=epsilon)
  descent = optax.scale_by_learning_rate(learning_rate)
  if name == 'adamw':
    return optax.chain(adam, decay, descent)
  return optax.chain(decay, adam, descent)
