"""Indexes as others lay them out on disk, and our own."""
