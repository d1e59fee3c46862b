"""The compiled part of training: a step, an epoch, many epochs, many replicas.

A replica is one seed with its own hyper-parameters. What may differ between
replicas of the same shapes is an argument: they share one compilation.

Shapes: N nodes, C classes, R replicas trained by one program.
"""

from collections.abc import Callable, Sequence
import dataclasses
from typing import Any, Literal

from flax import nnx
import jax
from jax import numpy as jnp
import optax

from gat_jax import nn
from gat_jax.datasets import Dataset
from gat_jax.datasets import Example
from gat_jax.training import batching
from gat_jax.training import early_stopping
from gat_jax.training import metrics
from gat_jax.training import optimizers
from gat_jax.training import packing
from gat_jax.training.replicas import Hyperparameters
from gat_jax.training.replicas import ReplicaState

# What a replica folds into its key: parameters, and the dropout of each epoch.
_PARAMETERS, _DROPOUT = range(2)


@dataclasses.dataclass(frozen=True)
class Program:
  """What is fixed when training is compiled.

  Attributes:
    graphdef: structure of the model, without parameters.
    init_params: key -> initial parameters.
    shapes: of the parameters.
    optimizer: `adam` (L2 in the gradient, as the paper) or `adamw`.
    stop_rule: see `early_stopping.update`.
    other_rules: those whose choices are told as well.
    use_dropout: whether masks are drawn at all.
    metric: what scores are; see `metrics.count`.
    axes: of a mesh, along which each device has examples of its own, or nodes
      of its own. `step` and `count` are then called inside `jax.shard_map`
      with `check_vma=False`. A device gives what it has: examples of the same
      shapes as the others', whose masks have nothing for what pads them and
      for nodes that are another device's. Loss, counts and gradients are those
      of all, and so is the state, which every device has whole.
  """

  graphdef: nnx.GraphDef
  init_params: Callable[[jax.Array], nnx.State]
  shapes: nnx.State
  optimizer: Literal['adam', 'adamw']
  stop_rule: early_stopping.StopRule
  other_rules: tuple[early_stopping.StopRule, ...]
  use_dropout: bool
  metric: str = ''
  axes: tuple[str, ...] = ()

  @classmethod
  def from_config(
    cls, config: Any, dataset: Dataset, axes: tuple[str, ...] = ()
  ) -> 'Program':
    """The program for a config and the sizes of a data set; see `axes`."""

    def build(key: jax.Array) -> nn.Model:
      return nn.Model.from_config(
        config.model,
        dataset.num_features,
        dataset.num_classes,
        nnx.Rngs(params=key),
        dataset.num_edge_features,
      )

    def init_params(key: jax.Array) -> nnx.State:
      return nnx.state(build(key), nnx.Param)

    others = [rule for rule in early_stopping.RULES if rule != config.stop_rule]
    abstract = nnx.eval_shape(build, jax.random.key(0))
    return cls(
      graphdef=nnx.graphdef(abstract),
      init_params=init_params,
      shapes=jax.eval_shape(init_params, jax.random.key(0)),
      optimizer=config.optimizer,
      stop_rule=config.stop_rule,
      other_rules=tuple(others) if config.compare_rules else (),
      use_dropout=config.model.dropout_rate > 0,
      metric=dataset.metric,
      axes=axes,
    )

  def init(self, seed: jax.Array | int) -> ReplicaState:
    """State before the first epoch."""
    key = jax.random.fold_in(jax.random.key(seed), _PARAMETERS)
    params = self.init_params(key)
    unknown = jnp.array(jnp.inf, jnp.float32)  # a NaN would alarm a debugger
    return ReplicaState(
      seed=jnp.asarray(seed, jnp.int32),
      epoch=jnp.array(0, jnp.int32),
      params=params,
      opt_state=optimizers.make(self.optimizer).init(params),
      kept=early_stopping.keep_first(params),
      others={
        rule: early_stopping.keep_first(params) for rule in self.other_rules
      },
      train_loss=unknown,
      val_loss=unknown,
      val_score=unknown,
      broken=jnp.array(-1, jnp.int32),
    )

  def count(
    self, params: nnx.State, examples: Sequence[Example]
  ) -> metrics.Counts:
    """Loss and score of a split, without dropout.

    Args:
      params: of the model.
      examples: of the split, whose counts are added up.
    """
    model = nnx.merge(self.graphdef, packing.whole(params, self.shapes))
    how = self.metric, self.axes
    counts = [
      metrics.count(model.forward(e.graph), e.labels, e.mask, *how)
      for e in examples
    ]
    return self._added(jax.tree.map(lambda *terms: sum(terms), *counts))

  def step(
    self,
    state: ReplicaState,
    hyper: Hyperparameters,
    batch: Sequence[Example],
    index: jax.Array | int = 0,
  ) -> ReplicaState:
    """One update of the parameters.

    Args:
      state: before the step.
      hyper: the replica's hyper-parameters.
      batch: the examples whose loss is averaged.
      index: which step of the epoch this is, for its dropout masks.

    Returns:
      The state with new parameters; `train_loss` is that of this step.
    """
    dropout = nn.Dropout(jax.random.key(state.seed), hyper.dropout_rate)
    for number in (_DROPOUT, state.epoch, index):
      dropout = dropout.fold_in(number)
    train_loss, grads = jax.value_and_grad(self._train_loss)(
      packing.whole(state.params, self.shapes), batch, dropout
    )
    if isinstance(state.params, list):
      # Once all are there, so that parameters change in place.
      grads = jax.lax.optimization_barrier(packing.joined(grads))
    optimizer = optimizers.make(self.optimizer, *hyper.of_optimizer)
    train_loss, grads = self._added((train_loss, grads))
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    return state._replace(
      params=optax.apply_updates(state.params, updates),
      opt_state=opt_state,
      train_loss=train_loss,
    )

  def end_epoch(
    self, state: ReplicaState, hyper: Hyperparameters, val: metrics.Counts
  ) -> ReplicaState:
    """Applies early stopping to the validation of the new parameters.

    A number that is not finite ends the replica with what was kept before.

    Args:
      state: after the last step of the epoch.
      hyper: the replica's hyper-parameters.
      val: of the validation split, with the parameters of the state.

    Returns:
      The state after the epoch.
    """
    broken = early_stopping.first_not_finite(
      state.train_loss, state.params, val.mean_loss
    )

    def after_epoch(rule, kept):
      news = (state.params, val.score, val.mean_loss, hyper.patience)
      after = early_stopping.after_epoch(rule, kept, *news)
      return early_stopping.choose(broken >= 0, kept, after)

    return state._replace(
      epoch=state.epoch + 1,
      kept=after_epoch(self.stop_rule, state.kept),
      others={
        rule: after_epoch(rule, state.others[rule]) for rule in self.other_rules
      },
      val_loss=val.mean_loss,
      val_score=val.score,
      broken=broken,
    )

  def one_epoch(
    self,
    state: ReplicaState,
    hyper: Hyperparameters,
    train: Sequence[Example] | batching.OnDevice,
    val: Sequence[Example],
    order: batching.Order | None = None,
  ) -> ReplicaState:
    """An epoch and its validation; `train_loss` is the mean of its steps.

    Args:
      state: before it.
      hyper: as in `step`.
      train: the training split, one batch; or what batches are made of.
      val: the validation split.
      order: of the batches.
    """
    if isinstance(train, batching.OnDevice):
      state = self._steps(state, hyper, train, order)
    else:
      state = self.step(state, hyper, train)
    return self.end_epoch(state, hyper, self.count(state.params, val))

  def _steps(self, state, hyper, train, order) -> ReplicaState:
    def on_batch(changing, batch, index):
      params, opt_state = changing
      before = state._replace(params=params, opt_state=opt_state)
      after = self.step(before, hyper, [batch], index)
      return (after.params, after.opt_state), after.train_loss

    (params, opt_state), losses = train.scan(
      on_batch, (state.params, state.opt_state), order
    )
    return state._replace(
      params=params, opt_state=opt_state, train_loss=losses.mean()
    )

  def run_until(
    self,
    epoch: jax.Array,
    state: ReplicaState,
    hyper: Hyperparameters,
    train: Sequence[Example] | batching.OnDevice,
    val: Sequence[Example],
    orders: batching.Order | None = None,
    packs: bool = False,
  ) -> ReplicaState:
    """Trains to `epoch`, or until it ends before, or the orders do.

    Args:
      epoch: where to stop.
      state: where to start.
      hyper: as in `step`.
      train: the training split, one batch; or what batches are made of.
      val: the validation split.
      orders: of the batches of the next epochs, stacked.
      packs: carry the state in a few arrays, which spares kernels.
    """
    first = state.epoch
    last = jnp.minimum(epoch, hyper.max_epochs)
    if orders is not None:
      last = jnp.minimum(last, first + len(orders.shapes))

    def packed(state: ReplicaState) -> Any:
      return packing.pack(state) if packs else state

    def unpacked(carry: Any, *, whole: bool = False) -> ReplicaState:
      return self.unpack(carry, whole=whole) if packs else carry

    def goes_on(carry):
      state = unpacked(carry)
      return ~state.stopped & (state.epoch < last)

    def one_epoch(carry):
      state = unpacked(carry)
      order = jax.tree.map(
        lambda of_epochs: of_epochs[state.epoch - first], orders
      )
      return packed(self.one_epoch(state, hyper, train, val, order))

    carry = jax.lax.while_loop(goes_on, one_epoch, packed(state))
    return unpacked(carry, whole=True)

  def unpack(self, packed: packing.Packed, whole: bool = False) -> ReplicaState:
    """What was packed; its parameters stay joined unless `whole`."""
    return packing.unpack(
      packed,
      jax.eval_shape(self.init, 0),
      packing.whole if whole else lambda params, _: params,
    )

  def _train_loss(self, params, examples, dropout):
    model = nnx.merge(self.graphdef, params)
    counts = []
    for index, example in enumerate(examples):
      logits = model.forward(
        example.graph, dropout.fold_in(index) if self.use_dropout else None
      )
      counts.append(metrics.count(logits, example.labels, example.mask))
    own = jax.tree.map(lambda *terms: sum(terms), *counts)
    return own._replace(terms=self._added(own.terms)).mean_loss

  def _added(self, own: Any) -> Any:
    """What all devices along `axes` have, added up."""
    return jax.lax.psum(own, self.axes) if self.axes else own
