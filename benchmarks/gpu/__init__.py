r"""What gat_jax does on an NVIDIA GPU: right, how fast, and the same again.

On a machine with a GPU, a network and the project's environment:
  python -m benchmarks.gpu --output=gpu
  python -m benchmarks.gpu --output=gpu --only=machine --only=cora --profile
  python -m benchmarks.gpu --output=gpu --rehearse    # small, on any machine

For a machine with a GPU and no network, fill a folder where there is one, take
it there with the checkout, and install from it:
  python -m benchmarks.gpu.carry .gpu
  python3 -m pip install --no-index --no-deps --upgrade --target=site \
      .gpu/wheels/*.whl
  PYTHONPATH=site GAT_JAX_DATA=.gpu/data python3 -m benchmarks.gpu \
      --output=gpu --commit=NAME

That machine needs Python 3.12 with JAX 0.11.2 for CUDA and what JAX, Flax,
Optax and Orbax need; PyTorch and PyTorch Geometric for what is compared with
them. `carry` lists what it brings.

The parts, which are run in the order of `parts.PARTS`:
  machine    copies, matrix products, what a launch and a turn of a loop cost
  roads      every road against NumPy in float64, values and gradients
  cora       an epoch, by every road; citeseer; seeds100 and seeds1000 at once
  ppi        a step by every road, and an epoch; gatv2 a step
  torch_*    the same models in PyTorch Geometric
  sums       an aggregation and its gradient at five sizes, by every road
  layers     a layer and its gradient
  bits       parameters after some steps, twice; bits_again in another process
  kernels    which kernels take the time (with --profile, or asked for)

Each is a process of its own with a time limit: one that crashes or hangs loses
only itself. What no time is left for is dropped, and said. Times are medians
of calls that are waited for, with the quartiles; where a call takes less than
a launch, several are sent off before the wait. `least_ms` is what bytes and
operations alone would take at the rates that `machine` measured; see `limits`.
After every part the rows are in the output folder: results.json, results.md,
log.txt, and kernels.md.
"""
