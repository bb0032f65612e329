"""Recipe of the reference models: data, training, packing, evaluation. Not needed at run time."""
