r"""Asks the validation nodes which rule of early stopping is best.

Try:
  python -m benchmarks.stopping --dataset=pubmed --workdir=runs/stopping
  python -m benchmarks.stopping --dataset=cora --seeds=5 --workdir=runs/stopping
  python -m benchmarks.stopping --dataset=pubmed --workdir=runs/stopping \
      --output=benchmarks/RESULTS.md

A rule cannot be chosen by the test score, nor by the validation score of the
epoch that it chose itself. So half of the validation nodes choose the epoch,
and the other half score it: 100 random halves a seed. Every seed trains for the
same epochs, whatever a rule says; what each rule would have kept is found out
afterwards. Seeds begin at 1000, so none of them is in a table. Each is a file
of the workdir, and is not trained again. The test nodes are never looked at.
"""

import argparse
import functools
import importlib
import pathlib
import time
from typing import Any

from flax import nnx
import jax
from jax import numpy as jnp
import numpy as np
from scipy import stats

from benchmarks import outputs
from experiments import documents
from gat_jax import runs
from gat_jax import storage
from gat_jax import training
from gat_jax.training import early_stopping

_FIRST_SEED = 1000
_HALVES = 100


def main() -> None:
  """Trains what is missing and prints a line for each rule."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--dataset', default='pubmed')
  parser.add_argument('--seeds', type=int, default=10)
  parser.add_argument('--epochs', type=int, default=1000)
  parser.add_argument('--workdir', type=pathlib.Path, required=True)
  parser.add_argument('--output', **outputs.FLAG)
  args = parser.parse_args()
  config = importlib.import_module(f'configs.{args.dataset}').get_config()
  args.workdir.mkdir(parents=True, exist_ok=True)
  found = []
  for seed in range(_FIRST_SEED, _FIRST_SEED + args.seeds):
    path = args.workdir / f'{args.dataset}-{seed}-{args.epochs}.npz'
    if not path.exists():
      losses, hits = record(config, seed, args.epochs)
      with storage.whole_file(path, binary=True) as file:
        np.savez_compressed(file, losses=losses, hits=hits)
    with np.load(path) as file:
      found.append(by_rule(file['losses'], file['hits'], config.patience, seed))
    print(f'seed {seed} is done', flush=True)
  text = documents.markdown_table(table(found))
  print(text)
  if args.output:
    command = (
      f'python -m benchmarks.stopping --dataset={args.dataset}'
      f' --seeds={args.seeds} --epochs={args.epochs}'
    )
    said = (
      f'## Which rule of stopping suits {args.dataset.capitalize()}\n\n'
      f'`{command}`, {time.strftime("%Y-%m-%d")}: half of the validation nodes'
      f' choose the epoch, the other half score it; {_HALVES} random halves of'
      f' each of {args.seeds} seeds. None takes the last of {args.epochs}'
      ' epochs.'
    )
    name = f'stopping on {args.dataset}'
    documents.put_section(args.output, name, f'{said}\n\n{text}')


def record(
  config: Any, seed: int, num_epochs: int
) -> tuple[np.ndarray, np.ndarray]:
  """Trains one seed and looks at the validation nodes after every epoch.

  Returns:
    The loss of each node in each epoch, [epochs, V], and whether its class was
    hit, [epochs, V].
  """
  dataset = runs.load_dataset(config)
  program = training.Program.from_config(config, dataset)
  (example,) = dataset.val
  nodes = np.flatnonzero(example.mask)
  labels = jnp.asarray(example.labels)[nodes]
  hyper = training.Replica.of(config)[0].hyper

  @functools.partial(jax.jit, donate_argnums=0)
  def one_epoch(state, train, graph):
    state = program.step(state, hyper, train)
    model = nnx.merge(program.graphdef, state.params)
    logits = model.forward(graph)[nodes]
    losses = -jax.nn.log_softmax(logits)[jnp.arange(len(nodes)), labels]
    hits = logits.argmax(axis=1) == labels
    return state._replace(epoch=state.epoch + 1), (losses, hits)

  state = jax.jit(program.init)(seed)
  train, graph = jax.device_put((dataset.train, example.graph))
  seen = []
  for _ in range(num_epochs):
    state, of_epoch = one_epoch(state, train, graph)
    seen.append(of_epoch)
  losses, hits = zip(*jax.device_get(seen), strict=True)
  return np.stack(losses), np.stack(hits)


def by_rule(
  losses: np.ndarray, hits: np.ndarray, patience: int, seed: int
) -> dict[str, np.ndarray]:
  """What the other half scores in the epoch that one half kept.

  Args:
    losses: [epochs, V].
    hits: [epochs, V].
    patience: of the rules.
    seed: of the halves.

  Returns:
    By rule the accuracy, the loss and the epoch: [3, halves].
  """
  rng = np.random.default_rng(seed)
  num_nodes = losses.shape[1]
  order = [rng.permutation(num_nodes) for _ in range(_HALVES)]
  chooses = np.arange(num_nodes) < num_nodes // 2
  one = np.array([np.isin(np.arange(num_nodes), o[chooses]) for o in order])

  def of(what, nodes):  # mean over the nodes: [halves, epochs]
    return (nodes @ what.T.astype(np.float32)) / nodes.sum(1, keepdims=True)

  of_one = of(hits, one), of(losses, one)
  of_other = of(hits, ~one), of(losses, ~one)
  found = {}
  for rule in early_stopping.RULES:
    epochs = np.asarray(_kept(rule, patience)(*of_one))
    places = np.arange(_HALVES), np.maximum(epochs, 1) - 1
    found[rule] = np.stack([*(what[places] for what in of_other), epochs])
  return found


@functools.cache
def _kept(rule: early_stopping.StopRule, patience: int):
  """Compiles what finds the epoch that a rule keeps: [halves]."""

  def of_half(scores, losses):
    def after(kept, epoch):
      number, score, loss = epoch
      return early_stopping.after_epoch(
        rule, kept, number, score, loss, np.int32(patience)
      ), None

    numbers = jnp.arange(1, len(scores) + 1)
    first = early_stopping.keep_first(jnp.int32(0))
    return jax.lax.scan(after, first, (numbers, scores, losses))[0].best_epoch

  return jax.jit(jax.vmap(of_half))


def table(found: list[dict[str, np.ndarray]]) -> list[list[str]]:
  """A line a rule: means over seeds and halves, and against the first rule.

  A seed counts once, with the mean of its halves.
  """
  means = {
    rule: np.array([of_seed[rule].mean(axis=1) for of_seed in found])
    for rule in early_stopping.RULES
  }  # [seeds, 3]
  first = early_stopping.RULES[0]
  lines = [
    [
      *('rule', 'accuracy of the other half, %', 'its loss', 'kept epoch'),
      f'accuracy against {first}, points',
    ]
  ]
  for rule, values in means.items():
    accuracy, loss, epoch = values.mean(axis=0)
    against = ''
    if rule != first and len(values) > 1:
      pairs = values[:, 0] - means[first][:, 0]
      p = stats.ttest_1samp(pairs, 0).pvalue
      against = f'{100 * pairs.mean():+.2f}, p {p:.3f}'
    spread = values[:, 0].std(ddof=1) if len(values) > 1 else None
    shown = documents.mean_and_deviation(accuracy, spread)
    lines.append([rule, shown, f'{loss:.4f}', f'{epoch:.0f}', against])
  return lines


if __name__ == '__main__':
  with training.own_jax_settings():
    main()
