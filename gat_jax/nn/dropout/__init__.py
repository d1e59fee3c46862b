"""Dropout: when, with which keys, and masks that are never stored."""

from gat_jax.nn.dropout.bits import INPUT as INPUT
from gat_jax.nn.dropout.bits import VALUES as VALUES
from gat_jax.nn.dropout.bits import WEIGHTS as WEIGHTS
from gat_jax.nn.dropout.bits import random_bits as random_bits
from gat_jax.nn.dropout.masks import Dropout as Dropout
from gat_jax.nn.dropout.masks import DropoutModule as DropoutModule
from gat_jax.nn.dropout.masks import check_dropout as check_dropout
from gat_jax.nn.dropout.masks import drop_features as drop_features
