"""Studies: what is published about the program, each re-made by one command; none of it is in the wheel."""
