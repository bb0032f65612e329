"""Control works, and what they scored before."""
