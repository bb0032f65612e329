"""Studies on works of known status: one file a study, each run by a command that anyone can repeat.

They stand above the stages, because they put whole measurements to the test, and below the command line.
"""
