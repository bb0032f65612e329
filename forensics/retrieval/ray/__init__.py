"""The same index over many processes: what Ray is asked for stands here alone."""
