"""Pictures made by a service whose weights nobody has: the plan, the log, and what was given in how many tries."""
