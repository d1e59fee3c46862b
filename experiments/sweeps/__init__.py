"""Sweeps: combinations of fields, where they train, what they came to.

hyper         sweeps as lists of changes to a config
config_flag   --config of a sweep: several files, fields set in all of them
trials        what each trial trains and how it ended; groups of them
sources       which groups are next: all of a grid, or what a search chooses
searches/     combinations chosen by Optuna; their file; pruning
coordinator   gives groups to the engine until all have ended
engines       where groups train; worker: what a process of theirs does;
              places: which core or GPU it has
plans/        what --dry_run shows; dashboard: what is shown meanwhile
summaries     from trials to tables; heatmaps: two fields as a picture
outputs       the files beside the trials, tables in words
"""

__all__ = [
  'config_flag',
  'coordinator',
  'engines',
  'heatmaps',
  'hyper',
  'outputs',
  'places',
  'plans',
  'searches',
  'sources',
  'summaries',
  'trials',
]
