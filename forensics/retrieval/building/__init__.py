"""Making an index: pictures in, a Lance table with a snapshot out."""
