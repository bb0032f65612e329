"""Signing a report with the key of a person, and examining what was signed.

The software has no key. A signature says who stands for a document, not that what it states is right.
"""
