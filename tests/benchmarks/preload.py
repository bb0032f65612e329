"""What every step of the GPU script imports, loaded once in the process that the steps are forked from.

Nothing here touches a device. What cannot be imported is left to the step that needs it, which then says so.
"""

from __future__ import annotations

import contextlib
import importlib

import forensics  # noqa: F401  (before torch: it says how idle threads wait)

for _name in (
    "torch",
    "torch.utils.flop_counter",
    "diffusers",
    "transformers",
    "diffusers.models.autoencoders.autoencoder_kl",
    "diffusers.models.unets.unet_2d_condition",
    "transformers.models.clip.modeling_clip",
    "cv2",
    "open_clip",
    "pytest",
    "forensics.examination",
    "tests.benchmarks.networks",
    "tests.benchmarks.timing",
):
    with contextlib.suppress(Exception):
        importlib.import_module(_name)
