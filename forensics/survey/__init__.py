"""Many works at once: which of them a checkpoint treats otherwise than works it cannot have seen."""
