"""What TensorBoard's own page HParams makes of a folder."""

from tensorboard import context
from tensorboard.backend.event_processing import data_provider
from tensorboard.backend.event_processing import plugin_event_multiplexer
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import backend_context
from tensorboard.plugins.hparams import get_experiment
from tensorboard.plugins.hparams import list_session_groups


def page(logdir):
  """Its columns that are shown at first, and its lines.

  Returns:
    The fields that differ, the names of the first five metrics, and for each
    run its status, its fields and its metrics.
  """
  events = plugin_event_multiplexer.EventMultiplexer()
  events.AddRunsFromDirectory(str(logdir))
  events.Reload()
  provider = data_provider.MultiplexerDataProvider(events, str(logdir))
  plugin = backend_context.Context(
    base_plugin.TBContext(data_provider=provider)
  )
  request = context.RequestContext(), plugin, ''
  found = get_experiment.Handler(*request, api_pb2.GetExperimentRequest())
  experiment = found.run()
  differing = {i.name for i in experiment.hparam_infos if i.differs}
  metrics = [info.name.tag for info in experiment.metric_infos]
  asked = api_pb2.ListSessionGroupsRequest(
    start_index=0,
    slice_size=100,
    allowed_statuses=api_pb2.Status.values(),
    aggregation_type=api_pb2.AGGREGATION_AVG,
  )
  listed = list_session_groups.Handler(*request, asked).run()
  lines = {}
  for group in listed.session_groups:
    for session in group.sessions:
      values = {
        name: getattr(value, value.WhichOneof('kind'))
        for name, value in group.hparams.items()
      }
      scores = {m.name.tag: m.value for m in session.metric_values}
      lines[session.name] = session.status, values, scores
  return differing, metrics[:5], lines
