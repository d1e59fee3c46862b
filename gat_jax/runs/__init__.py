"""What a run is to a caller and on disk: settings, folders, results."""

from gat_jax.runs import settings as settings
from gat_jax.runs import workdirs as workdirs
from gat_jax.runs.exports import PLATFORMS as PLATFORMS
from gat_jax.runs.exports import ExportedModel as ExportedModel
from gat_jax.runs.exports import export as export
from gat_jax.runs.inputs import load_dataset as load_dataset
from gat_jax.runs.observers import Ended as Ended
from gat_jax.runs.observers import Evaluation as Evaluation
from gat_jax.runs.observers import Observer as Observer
from gat_jax.runs.observers import Observers as Observers
from gat_jax.runs.observers import Outcome as Outcome
from gat_jax.runs.predictions import GraphPrediction as GraphPrediction
from gat_jax.runs.predictions import load_trained as load_trained
from gat_jax.runs.predictions import predict as predict
from gat_jax.runs.predictions import read_config as read_config
from gat_jax.runs.results import Result as Result
from gat_jax.runs.results import RuleResult as RuleResult
from gat_jax.runs.results import SeedResult as SeedResult
from gat_jax.runs.results import read_result as read_result
from gat_jax.runs.results import summarize as summarize
from gat_jax.runs.run import train_and_evaluate as train_and_evaluate
from gat_jax.runs.run import train_group as train_group
from gat_jax.runs.settings import default_config as default_config
