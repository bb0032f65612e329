"""The archive around a case: a BagIt bag (RFC 8493) and the request for a timestamp (RFC 3161), written by ourselves.

Both are public formats that other programs read; nothing here needs one of ours to be checked.
"""
