r"""Writes a trained model for programs that have JAX and nothing else.

Try:
  python -m experiments.export --workdir=runs/cora
  python -m experiments.export --workdir=runs/ten --seed=3 --attention
  python -m experiments.export --workdir=runs/cora --output=serving \
    --platforms=cpu,cuda

after `experiments.train --config=configs/cora.py --workdir=runs/cora`, and the
same with `--config.num_seeds=10 --workdir=runs/ten`. The data are not needed,
and none of the platforms has to be here. Writes into the workdir, or into
--output, in the place of what is there:
  model.jaxexport   the model with its parameters, for any numbers of nodes and
                    edges; `jax.export.deserialize` reads it
  model.json        what it takes and returns, how the graph was prepared before
                    training, and which data, seed and JAX it is from

JAX needs flatbuffers to write and to read the first: pip install flatbuffers.
docs/guides/export.md shows a program that uses them, in ten lines or so.
"""

from absl import flags

from experiments import cli
from gat_jax import runs

_WORKDIR = cli.path_flag(
  'workdir', 'the folder of a finished run of experiments.train'
)
_OUTPUT = cli.path_flag(
  'output', 'the folder to write to; by default the workdir'
)
_SEED = flags.DEFINE_integer(
  'seed', None, 'which seed; by default the best on the validation nodes'
)
_PLATFORMS = flags.DEFINE_list(
  'platforms', list(runs.PLATFORMS), 'where it is to run'
)
_ATTENTION = flags.DEFINE_bool(
  'attention', False, 'return the attention of all layers as well'
)


def main() -> None:
  """Writes the two files."""
  if not _WORKDIR.value:
    cli.fail('--workdir is missing; name the folder of a finished run')
  exported = runs.export(
    _WORKDIR.value,
    _SEED.value,
    platforms=_PLATFORMS.value,
    attention=_ATTENTION.value,
  )
  artefact, description = exported.write(_OUTPUT.value or _WORKDIR.value)
  console = cli.Console()
  console.print(f'model of seed {exported.seed}: {artefact}', soft_wrap=True)
  console.print(f'what it takes: {description}', soft_wrap=True)


if __name__ == '__main__':
  cli.run(main, on_hosts='first')
