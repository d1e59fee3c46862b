"""Two CPU devices, so that seeds are really spread; JAX is not started yet."""

import jax

jax.config.update('jax_num_cpu_devices', 2)
