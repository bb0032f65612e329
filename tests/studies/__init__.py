"""Studies: what is published about the program, each re-made by one command; none of it is in the wheel."""

import importlib
from importlib import metadata

if metadata.version("torch").endswith("+cpu"):
    importlib.import_module("forensics.device")  # before a study imports diffusers: it makes torchvision importable
