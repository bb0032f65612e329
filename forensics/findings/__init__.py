"""Measurements to graded words and findings: pure, from fixed templates, never beyond what the numbers carry.

`conclude` is the entry; one file a proposition pair, `grade` for the assessment of one work, `evidence` for what all of
them rest on.
"""
