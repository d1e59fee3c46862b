import pathlib

from flax import nnx
import pytest

from configs import arxiv
from configs import base
from configs import citeseer
from configs import cora
from configs import custom
from configs import large
from configs import papers100m
from configs import ppi
from configs import products
from configs import proteins
from configs import pubmed
from configs import recipes
from configs import relations
from configs import smoke
from gat_jax.errors import ConfigError
from gat_jax.nn import models
from gat_jax.runs import settings

# Inputs, classes and parameters, counted by hand for the paper's sizes: per
# layer K heads of W [D, F], a_r and a_s [F], b_r and b_s, b [F].
CONFIGS = {
  cora: (1433, 7, 8 * (1433 * 8 + 3 * 8 + 2) + (64 * 7 + 3 * 7 + 2)),
  citeseer: (3703, 6, 8 * (3703 * 8 + 3 * 8 + 2) + (64 * 6 + 3 * 6 + 2)),
  ppi: (
    50,
    121,
    4 * (50 * 256 + 3 * 256 + 2)
    + 4 * (1024 * 256 + 3 * 256 + 2 + 1024 * 256 + 256)
    + 6 * (1024 * 121 + 3 * 121 + 2),
  ),
  pubmed: (500, 3, 8 * (500 * 8 + 3 * 8 + 2) + 8 * (64 * 3 + 3 * 3 + 2)),
  # Beside the nodes' vectors, W_e [8, F] and a_e [F] of each of 4 heads.
  relations: (4, 4, 4 * (4 * 4 + 3 * 4 + 2 + 8 * 4 + 4)),
  smoke: (32, 4, 8 * (32 * 8 + 3 * 8 + 2) + (64 * 4 + 3 * 4 + 2)),
  large: (64, 10, 8 * (64 * 8 + 3 * 8 + 2) + (64 * 10 + 3 * 10 + 2)),
  arxiv: (
    128,
    40,
    3 * (128 * 250 + 3 * 250)
    + 3 * (750 * 250 + 3 * 250 + 750 * 250 + 250)
    + (750 * 40 + 3 * 40),
  ),
  products: (
    100,
    47,
    4 * (100 * 128 + 3 * 128)
    + 4 * (512 * 128 + 3 * 128 + 512 * 128 + 128)
    + 4 * (512 * 47 + 3 * 47),
  ),
  proteins: (
    8,
    112,
    6 * (8 * 80 + 3 * 80 + 8 * 80 + 80)
    + 4 * 6 * (480 * 80 + 3 * 80 + 480 * 80 + 80 + 8 * 80 + 80)
    + (480 * 112 + 3 * 112 + 8 * 112 + 112),
  ),
  papers100m: (
    128,
    172,
    2 * (128 * 128 + 3 * 128)
    + 2 * (256 * 128 + 3 * 128)
    + 2 * (256 * 172 + 3 * 172),
  ),
  custom: (10, 2, 8 * (10 * 8 + 3 * 8 + 2) + (64 * 2 + 3 * 2 + 2)),
}


@pytest.mark.parametrize('module', CONFIGS, ids=lambda m: m.__name__)
def test_every_config_is_valid_and_builds_the_model_it_says(module):
  config = module.get_config()
  if module is custom:
    config.dataset.name = 'graph.npz'
  settings.check(config)
  num_features, num_classes, num_parameters = CONFIGS[module]
  num_edge_features = config.dataset.get('num_edge_features', 0)
  num_edge_features = 8 if module is proteins else num_edge_features
  model = models.Model.from_config(
    config.model, num_features, num_classes, nnx.Rngs(0), num_edge_features
  )
  assert models.num_parameters(model) == num_parameters


def test_no_config_is_forgotten():
  folder = pathlib.Path(base.__file__).parent
  names = {path.stem for path in folder.glob('*.py')} - {'base', 'recipes'}
  assert names == {module.__name__.split('.')[-1] for module in CONFIGS}


@pytest.mark.parametrize('recipe', recipes.RECIPES)
def test_recipe_changes_what_it_says_and_nothing_else(recipe):
  plain = settings.flat(cora.get_config())
  changed = settings.flat(cora.get_config(recipe))
  differing = {key for key in plain if plain[key] != changed[key]}
  assert differing == set(recipes.RECIPES[recipe])
  settings.check(cora.get_config(recipe))


def test_unknown_recipe_names_the_known_ones():
  with pytest.raises(ConfigError, match='choose one of authors, shared_mask'):
    cora.get_config('author')
