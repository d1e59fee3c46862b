"""What one trial of a program takes: measured, remembered or estimated."""

from collections.abc import Sequence
import enum
import json
import statistics
import time
from typing import Any, NamedTuple

from experiments.sweeps.plans import estimates
from experiments.sweeps.plans import records
from gat_jax import datasets
from gat_jax import runs
from gat_jax import training

_TIMED_EPOCHS = 3


class Origin(enum.Enum):
  """Where a number comes from."""

  MEASURED = 'measured'
  REMEMBERED = 'remembered'
  SCALED = 'scaled shapes'
  SHAPES = 'shapes'

  @property
  def explained(self) -> str:
    """A sentence on it."""
    return f'{self.value}: {_EXPLAINED[self]}'


_EXPLAINED = {
  Origin.MEASURED: 'compiled and timed just now.',
  Origin.REMEMBERED: 'as it was when this program last ran here.',
  Origin.SCALED: 'by sizes, held against what is remembered of this data set.',
  Origin.SHAPES: 'by the sizes of data and model, time also by the speed of a'
  ' short calculation; a rough number. --dry_run=measure compiles and times'
  ' each group.',
}


class Cost(NamedTuple):
  """What one trial takes.

  Attributes:
    seconds: of an epoch, on one core or device.
    num_bytes: that a process needs to train it.
    time_from: where the seconds come from.
    memory_from: where the bytes come from.
  """

  seconds: float
  num_bytes: int
  time_from: Origin
  memory_from: Origin

  @property
  def origin(self) -> str:
    """Where both come from, in words."""
    time_from, memory_from = self.time_from.value, self.memory_from.value
    if time_from == memory_from:
      return time_from
    return f'{time_from}; memory: {memory_from}'


@training.own_jax_settings()
def measure(config: Any) -> Cost:
  """Compiles and times a program, and remembers what it took.

  Raises:
    InputError: if the data or the config cannot be used.
  """
  dataset = runs.load_dataset(config)
  replicas = training.Replica.of(config)
  driver = training.choose_driver(config, dataset, replicas)
  driver.compile()
  driver.advance(1)
  driver.fetch('epoch')
  start = time.perf_counter()
  driver.advance(1 + _TIMED_EPOCHS)
  driver.fetch('epoch')
  seconds = (time.perf_counter() - start) / _TIMED_EPOCHS
  records.remember(config, dataset.card, seconds, driver.num_bytes)
  return Cost(seconds, driver.num_bytes, Origin.MEASURED, Origin.MEASURED)


def expect(configs: Sequence[Any]) -> list[Cost]:
  """What programs will take, without compiling any of them.

  Args:
    configs: a trial of each program.

  Raises:
    InputError: if the data cannot be used.
  """
  loaded: dict[str, datasets.Dataset] = {}
  # For each program: its data set, what is known of it, what its shapes say.
  programs: list[tuple[str, records.Record | None, estimates.Estimate]] = []
  for config in configs:
    name = json.dumps([config.dataset.to_dict(), config.data_dir])
    if name not in loaded:
      loaded[name] = runs.load_dataset(config)
    dataset = loaded[name]
    record = records.recall(config, dataset.card)
    programs.append((name, record, estimates.estimate(config, dataset)))
  scales: dict[str, list[float]] = {}
  for name, record, by_shapes in programs:
    if record:
      scales.setdefault(name, []).append(record.seconds / by_shapes.work)
  scale = {name: statistics.median(known) for name, known in scales.items()}
  is_scaled = scale.keys() == loaded.keys()
  slowness = 1.0 if is_scaled else estimates.slowness()
  found = []
  for name, record, by_shapes in programs:
    num_bytes, memory_from = by_shapes.num_bytes, Origin.SHAPES
    if record and record.num_bytes:
      num_bytes, memory_from = record.num_bytes, Origin.REMEMBERED
    if record:
      seconds, time_from = record.seconds, Origin.REMEMBERED
    elif name in scale:
      seconds, time_from = by_shapes.work * scale[name], Origin.SCALED
    else:
      seconds, time_from = by_shapes.work * slowness, Origin.SHAPES
    found.append(Cost(seconds, num_bytes, time_from, memory_from))
  return found
