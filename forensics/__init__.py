"""Court-grade evidence about whether a generative image model reproduces a work."""

__version__ = "0.1.0"
