r"""Fills a folder for a machine with a GPU and no network.

    python -m benchmarks.gpu.carry .gpu --data=path/to/data

It gets wheels that any Python from 3.12 on can install, of what the library
imports and an image with JAX and PyTorch may lack or have in another version,
and the files of Cora, Citeseer, Pubmed and PPI: some 20 MB. Data are looked for
in --data, else in $GAT_JAX_DATA. With it, experiments.train and experiments.
reproduce run there as well.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys

# Flax 0.12.8 and older do not know JAX 0.11.2.
WHEELS = (
  'flax==0.12.12',
  'jraph==0.0.6.dev0',
  'ml-collections==1.1.0',
  'optax==0.2.8',
  'orbax-checkpoint==0.12.8',
  'platformdirs==4.14.8',
  'pooch==1.9.0',
  'tensorboardX==2.6.5',
)
FILES = {
  'planetoid': ('ind.cora.*', 'ind.citeseer.*', 'ind.pubmed.*'),
  'ppi': ('ppi.zip',),
}


def main() -> None:
  """Downloads and copies."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('folder', type=pathlib.Path)
  parser.add_argument('--data', default=os.environ.get('GAT_JAX_DATA'))
  args = parser.parse_args()
  if not args.data:
    parser.error('--data, or $GAT_JAX_DATA, must name the folder of the data')
  copy_data(pathlib.Path(args.data), args.folder / 'data')
  wheels = args.folder / 'wheels'
  shutil.rmtree(wheels, ignore_errors=True)  # two versions would stop pip
  subprocess.run(
    [
      sys.executable,
      *('-m', 'pip', 'download', '--quiet', '--no-deps'),
      *('--only-binary=:all:', '--python-version=3.12', f'--dest={wheels}'),
      *WHEELS,
    ],
    check=True,
  )
  files = [path for path in args.folder.rglob('*') if path.is_file()]
  total = sum(path.stat().st_size for path in files)
  print(f'{len(files)} files, {total / 1e6:.0f} MB in {args.folder}')


def copy_data(source: pathlib.Path, target: pathlib.Path) -> None:
  """Copies the files of the data sets, from the folder or its subfolders."""
  for collection, patterns in FILES.items():
    (target / collection).mkdir(parents=True, exist_ok=True)
    for pattern in patterns:
      found = [*source.glob(pattern), *source.glob(f'{collection}/{pattern}')]
      if not found:
        sys.exit(f'error: {source} has no {pattern}, nor its {collection}')
      for path in found:
        shutil.copyfile(path, target / collection / path.name)


if __name__ == '__main__':
  main()
