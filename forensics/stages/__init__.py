"""The stages of an examination: each takes works and models and returns pictures and numbers with their ids."""
