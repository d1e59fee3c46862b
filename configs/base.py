"""What all configs start from: the paper's recipe, as its authors ran it.

The other files of this folder change what their data set needs; every field can
be set on the command line as well, as in --config.model.num_heads=4.
"""

from ml_collections import config_dict


def get_config() -> config_dict.ConfigDict:
  """The recipe of Velickovic et al., ICLR 2018, for citation networks."""
  config = config_dict.ConfigDict()

  # Where the files are; None looks in $GAT_JAX_DATA, data/, ../shared/data/ and
  # the user's cache folder, then downloads.
  config.data_dir = config_dict.placeholder(str)
  config.dataset = config_dict.ConfigDict()
  config.dataset.name = config_dict.placeholder(str)  # or a path to an .npz

  config.seed = 0  # the first seed; the others count up from it
  config.num_seeds = 1  # trained by one program
  # How a device goes through its seeds: 'map' (one after the other), 'vmap'
  # (all at once), 'auto' ('map' on a CPU).
  config.seed_loop = 'auto'

  config.max_epochs = 100_000
  config.patience = 100  # epochs without a new best that end a run
  # What a new best is: 'both' (the authors': score or loss), 'accuracy',
  # 'loss', 'none' (trains to max_epochs and keeps the last parameters).
  config.stop_rule = 'both'
  config.compare_rules = False  # tell what each other rule would have kept
  config.log_every = 20  # epochs between two looks at a run
  config.checkpoint_minutes = 5.0  # what a killed run loses at most, and a look

  config.batch_size = 0  # graphs a step; 0 takes all at once
  config.batch_shapes = 6  # sizes that batches are padded to, each compiled
  config.optimizer = 'adam'  # L2 in the gradient; 'adamw' decays the weights
  config.learning_rate = 5e-3
  config.weight_decay = 5e-4  # lambda of lambda / 2 |v|^2, over all variables

  config.model = config_dict.ConfigDict()
  config.model.name = 'gat'  # or 'gatv2', 'const_gat', 'gcn', 'mlp'
  config.model.num_layers = 2  # with the output layer
  config.model.num_heads = 8  # K of the hidden layers, joined
  config.model.hidden_dim = 8  # F' of each hidden head
  config.model.num_output_heads = 1  # K of the output layer, averaged
  config.model.dropout_rate = 0.6  # of inputs, attention and values
  config.model.residual = False  # a skip connection from the second layer on
  config.model.edge_block = 0  # edges aggregated at a time; 0 chooses
  config.model.compute_dtype = 'float32'  # 'bfloat16' for accelerators
  # Departures from the authors' code; the defaults are theirs.
  config.model.shared_input_dropout = False  # one input mask for all heads
  config.model.value_dropout = True  # drop z after the scores were computed
  config.model.score_bias = True  # b_r, b_s in the scores (gat only)
  config.model.fused_fan = False  # Glorot fan (F, K F') instead of (F, F')
  return config
