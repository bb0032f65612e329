"""The tiny checkpoints of tests/diffusion, for this folder too."""

from tests.diffusion.conftest import folders, models, one_thread

__all__ = ["folders", "models", "one_thread"]
